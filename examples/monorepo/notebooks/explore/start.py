"""What the prompt starts with: `customers`, `labels`, `churn`, and `show` for tables."""

import csv
from pathlib import Path
from statistics import fmean

from acme import features
from acme.model import Model
from tabulate import tabulate

DATA = Path("/data")

customers = features.compute(features.read_events(DATA / "events.csv"))
with (DATA / "labels.csv").open(newline="", encoding="utf-8") as file:
    labels = {row["customer"]: row for row in csv.DictReader(file)}
churn = Model.load(Path("/models/churn.json"))


def show(label: str) -> None:
    """Prints the mean features of customers with and without a label: show("fraud")"""
    groups: dict[str, list[list[float]]] = {"no": [], "yes": []}
    for customer, row in customers.items():
        groups["yes" if labels[customer][label] == "1" else "no"].append(row)
    table = [[label, len(rows), *map(fmean, zip(*rows, strict=True))] for label, rows in groups.items()]
    print(tabulate(table, headers=[label, "customers", *features.NAMES], floatfmt=".1f"))


print(f"{len(customers)} customers; try show('churn')")
