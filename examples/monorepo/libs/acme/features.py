"""Features of customers, computed from their events."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

NAMES = ("active_days", "orders", "mean_basket", "complaints")


class Event(NamedTuple):
    """One thing that a customer did."""

    customer: str
    day: int
    kind: str  # visit, order or complaint
    amount: float


def read_events(path: Path) -> list[Event]:
    """Reads events from a CSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Event(row["customer"], int(row["day"]), row["kind"], float(row["amount"]))
            for row in csv.DictReader(file)
        ]


def compute(events: Iterable[Event]) -> dict[str, list[float]]:
    """The features of each customer, in the order of NAMES."""
    by_customer: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_customer[event.customer].append(event)
    return {customer: _features(theirs) for customer, theirs in sorted(by_customer.items())}


def _features(events: list[Event]) -> list[float]:
    baskets = [event.amount for event in events if event.kind == "order"]
    return [
        float(len({event.day for event in events})),
        float(len(baskets)),
        sum(baskets) / len(baskets) if baskets else 0.0,
        float(sum(event.kind == "complaint" for event in events)),
    ]
