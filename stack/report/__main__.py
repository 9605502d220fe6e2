"""Prints the report: python3 -m report"""

from tabulate import tabulate

from report.chart import bars
from report.model import points, train

EPOCHS = 64
SHOWN = [1, 2, 4, 8, 16, 32, 64]


def main() -> None:
    history = list(train(points(200), EPOCHS))
    chosen = [history[epoch - 1] for epoch in SHOWN]
    loss = [error for _, _, error in chosen]
    rows = [
        [epoch, f"{slope:.2f}x + {offset:.2f}", f"{error:.3f}", bar]
        for epoch, (slope, offset, error), bar in zip(SHOWN, chosen, bars(loss))
    ]
    print("learning y = 3x + 2\n")
    print(tabulate(rows, headers=["epoch", "learned", "error", ""], disable_numparse=True))


if __name__ == "__main__":
    main()
