"""Trains a model: python3 -m trainer --target churn --data /data --out churn.json"""

import argparse
import csv
from pathlib import Path

from acme import features, model

ENOUGH = 0.75  # a model that is right less often is not shipped


def main() -> None:
    arguments = argparse.ArgumentParser(description="Trains a model of the sample data.")
    arguments.add_argument("--target", required=True, help="the column of labels.csv to predict")
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()

    rows, labels = examples(options.data, options.target)
    cut = len(rows) * 3 // 4
    trained = model.fit(options.target, rows[:cut], labels[:cut])
    right = model.accuracy(trained, rows[cut:], labels[cut:])
    print(f"{options.target}: right for {right:.1%} of {len(rows) - cut} unseen customers")
    if right < ENOUGH:
        raise SystemExit(f"{options.target}: that is not enough")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    trained.save(options.out)


def examples(data: Path, target: str) -> tuple[list[list[float]], list[int]]:
    """The features and the label of each customer that has both."""
    known = features.compute(features.read_events(data / "events.csv"))
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        pairs = [(known[row["customer"]], int(row[target])) for row in csv.DictReader(file) if row["customer"] in known]
    return [row for row, _ in pairs], [label for _, label in pairs]


if __name__ == "__main__":
    main()
