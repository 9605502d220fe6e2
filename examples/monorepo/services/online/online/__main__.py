"""Serves POST /score/MODEL with a customer's features."""

import sys
from pathlib import Path
from typing import Any

from acme import features, service
from acme.model import Model

MODELS = {path.stem: Model.load(path) for path in sorted(Path("/models").glob("*.json"))}


def handle(method: str, path: str, body: Any) -> tuple[int, Any]:
    _, action, name = path.split("/")
    if (method, action) != ("POST", "score") or name not in MODELS:
        return 404, {"error": f"nothing is at {method} {path}", "models": sorted(MODELS)}
    row = [float(body[feature]) for feature in features.NAMES]
    return 200, {"model": name, "score": round(MODELS[name].score(row), 4)}


def check() -> None:
    """Ends with an error unless all models load and score."""
    zeros = [0.0] * len(features.NAMES)
    scores = {name: f"{model.score(zeros):.2f}" for name, model in MODELS.items()}
    print("models:", scores)
    sys.exit(0 if scores else "there is no model in /models")


if __name__ == "__main__":
    check() if "--check" in sys.argv else service.serve(handle)
