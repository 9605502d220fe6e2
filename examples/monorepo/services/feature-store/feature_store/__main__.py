"""Serves PUT and GET /features/CUSTOMER."""

import os
from typing import Any

from acme import features, service
from feature_store.store import Store

STORE = Store(os.environ.get("DATABASE", ":memory:"))


def handle(method: str, path: str, body: Any) -> tuple[int, Any]:
    _, kind, customer = path.split("/")
    if kind != "features":
        return 404, {"error": f"nothing is at {path}"}
    if method == "PUT":
        STORE.put(customer, [float(body[name]) for name in features.NAMES])
        return 200, {"customer": customer}
    found = STORE.get(customer)
    if found is None:
        return 404, {"error": f"customer {customer} is unknown"}
    return 200, dict(zip(features.NAMES, found, strict=True))


if __name__ == "__main__":
    service.serve(handle)
