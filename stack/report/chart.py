"""Numbers as bars of text."""

from math import log

BAR = "█"


def bars(values: list[float], width: int = 30) -> list[str]:
    """One bar a value on a logarithmic scale: the largest has the full width, the smallest one block."""
    low, high = min(values), max(values)
    steps = [log(value / low) / log(high / low) for value in values]
    return [BAR * round(1 + (width - 1) * step) for step in steps]
