"""Prints the customers with the highest scores: python3 -m batch --model M --events E"""

import argparse
from pathlib import Path

from acme import features
from acme.model import Model
from tabulate import tabulate


def main() -> None:
    arguments = argparse.ArgumentParser(description="Scores all customers.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--events", type=Path, required=True)
    arguments.add_argument("--top", type=int, default=10)
    arguments.add_argument("--format", default="simple", help="a table format, such as github or tsv")
    options = arguments.parse_args()

    model = Model.load(options.model)
    known = features.compute(features.read_events(options.events))
    scored = sorted(((model.score(row), customer) for customer, row in known.items()), reverse=True)
    rows = [[customer, f"{score:.3f}", *known[customer]] for score, customer in scored[: options.top]]
    print(tabulate(rows, headers=["customer", model.name, *features.NAMES], tablefmt=options.format))


if __name__ == "__main__":
    main()
