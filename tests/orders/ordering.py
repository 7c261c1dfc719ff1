"""Ordering through v2."""

from __future__ import annotations

from typing import Any

import requests

from tests.payments.paying import ask, key
from tests.resource_server.apis import Caller

LINES = [{"sku": "A-1", "quantity": 3, "unit_price": 250}, {"sku": "B-2", "quantity": 1, "unit_price": 99}]
ORDER: dict[str, Any] = {"lines": LINES, "currency": "EUR"}
TOTAL = 849


def ordered(caller: Caller, value: int | None = None) -> dict[str, Any]:
    """A new draft; of one line that costs `value`, when it is given."""
    lines = LINES if value is None else [{"sku": "A-1", "quantity": 1, "unit_price": value}]
    response = ask(caller, "/v2/orders", {**ORDER, "lines": lines})
    assert response.status_code == 201, response.text
    order: dict[str, Any] = response.json()
    return order


def now(caller: Caller, order: dict[str, Any]) -> dict[str, Any]:
    """The order as it is."""
    found: dict[str, Any] = caller.get(f"/v2/orders/{order['id']}").json()
    return found


def steps(caller: Caller, order: dict[str, Any]) -> list[str]:
    """The statuses an order went through."""
    return [step["after"] for step in caller.get(f"/v2/orders/{order['id']}/transitions").json()["items"]]


def amended(caller: Caller, order: dict[str, Any], tag: str | None, document: Any = None) -> requests.Response:
    """Other lines for an order, under the tag of the version that was seen."""
    headers = {"Content-Type": "application/merge-patch+json", **({"If-Match": tag} if tag else {})}
    lines = {"lines": [{"sku": "C-3", "quantity": 2, "unit_price": 100}]}
    patch = lines if document is None else document
    return caller.request("PATCH", f"/v2/orders/{order['id']}", headers=headers, json=patch)


__all__ = ["LINES", "ORDER", "TOTAL", "amended", "ask", "key", "now", "ordered", "steps"]
