"""A line through noisy points, found by gradient descent."""

import random
from collections.abc import Iterator


def points(count: int, seed: int = 7) -> list[tuple[float, float]]:
    """Points near y = 3x + 2, the same ones for the same seed."""
    dice = random.Random(seed)
    xs = [at / count for at in range(count)]
    return [(x, 3 * x + 2 + dice.gauss(0, 0.1)) for x in xs]


def train(data: list[tuple[float, float]], epochs: int, rate: float = 0.5) -> Iterator[tuple[float, float, float]]:
    """Yields slope, offset and mean squared error after each epoch."""
    slope = offset = 0.0
    for _ in range(epochs):
        errors = [(slope * x + offset - y, x) for x, y in data]
        slope -= rate * 2 * sum(error * x for error, x in errors) / len(data)
        offset -= rate * 2 * sum(error for error, _ in errors) / len(data)
        yield slope, offset, sum(error**2 for error, _ in errors) / len(data)
