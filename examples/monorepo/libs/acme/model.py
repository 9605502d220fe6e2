"""Logistic regression: small enough to read, good enough for the sample data."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pstdev


@dataclass(frozen=True)
class Model:
    """Weights for standardized features."""

    name: str
    means: list[float]
    scales: list[float]
    weights: list[float]
    bias: float

    def score(self, features: list[float]) -> float:
        """How likely it is, from 0 to 1."""
        parts = zip(features, self.means, self.scales, self.weights, strict=True)
        total = self.bias + sum((value - mean) / scale * weight for value, mean, scale, weight in parts)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))

    def save(self, path: Path) -> None:
        """Writes the model; the same model gives the same bytes."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Model":
        """Reads what `save` wrote."""
        return Model(**json.loads(path.read_text(encoding="utf-8")))


def fit(name: str, rows: list[list[float]], labels: list[int], epochs: int = 200, rate: float = 0.5) -> Model:
    """Learns to tell the rows with label 1 from those with label 0."""
    columns = list(zip(*rows, strict=True))
    means = [fmean(column) for column in columns]
    scales = [pstdev(column) or 1.0 for column in columns]
    model = Model(name, means, scales, [0.0] * len(columns), 0.0)
    for _ in range(epochs):
        errors = [model.score(row) - label for row, label in zip(rows, labels, strict=True)]
        slopes = [
            fmean(error * (row[at] - means[at]) / scales[at] for error, row in zip(errors, rows, strict=True))
            for at in range(len(columns))
        ]
        weights = [weight - rate * slope for weight, slope in zip(model.weights, slopes, strict=True)]
        model = Model(name, means, scales, weights, model.bias - rate * fmean(errors))
    return model


def accuracy(model: Model, rows: list[list[float]], labels: list[int]) -> float:
    """The share of rows that the model gets right."""
    right = [(model.score(row) > 0.5) == bool(label) for row, label in zip(rows, labels, strict=True)]
    return sum(right) / len(right)
