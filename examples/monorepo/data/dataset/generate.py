"""Makes events and labels of invented customers, the same ones for the same seed."""

import argparse
import csv
import random
from pathlib import Path

DAYS = 90


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=400)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    dice = random.Random(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    events, labels = [], []
    for number in range(options.customers):
        customer = f"c{number:05}"
        churn, fraud = dice.random() < 0.3, dice.random() < 0.2
        events += [(customer, *event) for event in behaviour(dice, churn, fraud)]
        labels.append((customer, int(churn), int(fraud)))
    write(options.out / "events.csv", ("customer", "day", "kind", "amount"), events)
    write(options.out / "labels.csv", ("customer", "churn", "fraud"), labels)
    print(f"{options.customers} customers, {len(events)} events")


def behaviour(dice: random.Random, churn: bool, fraud: bool) -> list[tuple[int, str, float]]:
    """Who leaves comes less and complains more; who cheats has larger baskets."""
    events = [(dice.randrange(DAYS), "visit", 0.0) for _ in range(dice.randint(2, 8 if churn else 25))]
    for day in sorted({day for day, _, _ in events}):
        if dice.random() < 0.4:
            basket = dice.lognormvariate(5.0 if fraud else 3.0, 0.6)
            events.append((day, "order", round(basket, 2)))
    complaints = dice.randint(0, 4 if churn else 1)
    events += [(dice.randrange(DAYS), "complaint", 0.0) for _ in range(complaints)]
    return sorted(events)


def write(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
