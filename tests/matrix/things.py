"""Callers of every column, and what belongs to them and to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import requests

from resource_server.api.operation import Operation
from tests.payments.paying import Till, accepted, ask, euros, eventually, over, shown
from tests.resource_server.apis import ALL, Apis, Caller, signed_anew

LINE = {"sku": "A-1", "quantity": 3}
HOOK = {"url": "http://127.0.0.1:9/hook"}
ORDER_V1 = {"lines": [{**LINE, "unit_price": "2.50"}], "currency": "EUR"}
ORDER_V2 = {"lines": [{**LINE, "unit_price": 250}], "currency": "EUR"}
BODIES: Mapping[str, dict[str, Any]] = {
    "POST /v1/orders": ORDER_V1,
    "POST /v2/orders": ORDER_V2,
    "PATCH /v2/orders/<order_id>": {"lines": ORDER_V2["lines"]},
    "POST /v1/payments": {"amount": "12.34", "currency": "EUR"},
    "POST /v2/payments": {"amount": euros(1234)},
    "POST /v2/payments/<payment_id>/refunds": {"amount": euros(1)},
    "POST /v2/webhook-endpoints": HOOK,
    "PATCH /v2/webhook-endpoints/<endpoint_id>": {"events": ["*"]},
    "PATCH /v2/users/<user_id>": {"newsletter": True},
}
"""What is sent; an empty object where nothing is said."""
_LARGE = 60_000
"""Somebody else approves a refund of it."""


class Stage:
    """Everybody, with an identity provider of their own making."""

    def __init__(self, apis: Apis) -> None:
        self.apis = apis
        self.till = Till(apis)
        self._names = {"customer": apis.new_person(), "other": apis.new_person()}
        self.caller = cache(self._caller)
        self.thing = cache(self._thing)

    def sent(self, operation: Operation, column: str, service: str, owner: str) -> requests.Response:
        """The operation as this column tries it on what is `owner`'s."""
        path = operation.path.replace("<prefixed(oop):operation_id>", "<saga_id>")
        for name in ("user", "order", "payment", "operation", "saga", "refund", "endpoint", "event"):
            placeholder = f"<{name}_id>"
            if placeholder in path:
                path = path.replace(placeholder, self._identifier(name, owner, operation))
        headers = {"Idempotency-Key": f"{operation.name} {column} {owner}"[:255]} if operation.key else {}
        if operation.tagged == "match":
            headers["If-Match"] = "*"
        if operation.method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        body = None if operation.method in {"GET", "DELETE"} else BODIES.get(operation.name, {})
        return self.caller(column, service).request(operation.method, path, json=body, headers=headers)

    def _caller(self, column: str, service: str) -> Caller:
        if column in self._names:
            return _arrived(self.apis.caller(self._names[column]))
        if column == "service":
            return self.apis.machine()
        if column == "delegated":
            token = self.caller("customer", service).token
            audience = f"{self.apis.url}/{service}"
            return Caller(
                self.apis.url, signed_anew(self.apis.idp, token, aud=audience, act={"sub": "svc-web"}, status=None)
            )
        staff: Callable[[], Caller] = self.till.second if column == "finance" else getattr(self.till, column)
        return _arrived(staff())

    def _identifier(self, name: str, owner: str, operation: Operation) -> str:
        if name == "endpoint":
            return self.endpoint(owner)
        large = name in {"payment", "refund"} and "<refund_id>" in operation.path
        return self.thing(f"large {name}" if large else name, owner)

    def _thing(self, name: str, owner: str) -> str:
        """The id of what is this owner's, made when it is first asked for."""
        caller = self.caller(owner, "payments")
        match name:
            case "user":
                return str(caller.get("/v2/users/me").json()["id"])
            case "order":
                return str(ask(caller, "/v2/orders", ORDER_V2).json()["id"])
            case "saga":
                order = str(ask(caller, "/v2/orders", ORDER_V2).json()["id"])
                return str(accepted(caller, f"/v2/orders/{order}/cancellations")["id"])
            case "payment":
                return self.thing("operation payment", owner).split()[1]
            case "operation":
                return self.thing("operation payment", owner).split()[0]
            case "operation payment":
                operation = accepted(caller, "/v2/payments", {"amount": euros(1234)})
                over(caller, operation)
                return f"{operation['id']} {shown(caller, operation)['id']}"
            case "large payment":
                operation = accepted(caller, "/v2/payments", {"amount": euros(_LARGE)})
                over(caller, operation)
                return str(shown(caller, operation)["id"])
            case "large refund":
                path = f"/v2/payments/{self.thing('large payment', owner)}/refunds"
                return str(accepted(self.till.finance(), path)["refund"])
            case _:
                return self._event(owner)

    def _event(self, owner: str) -> str:
        """An event of what this owner paid."""
        payment = self.thing("payment", owner)
        caller = self.caller("service" if owner == "service" else "admin", "payments")
        found = caller.get("/v2/events?limit=100").json()["items"]
        return next(str(event["id"]) for event in found if event["data"]["id"] == payment)

    def endpoint(self, owner: str) -> str:
        """A new one, since it can be removed: a service's own, or else the admins'."""
        caller = self.caller("service" if owner == "service" else "admin", "payments")
        return str(ask(caller, "/v2/webhook-endpoints", HOOK).json()["id"])


def _arrived(caller: Caller) -> Caller:
    """The caller, once word of them has come to the users service."""
    eventually(lambda: caller.get("/v2/users/me"), lambda response: response.status_code == 200)
    return caller


def without(apis: Apis, scopes: tuple[str, ...]) -> Caller:
    """A person who allowed everything but these."""
    return apis.person(" ".join(set(ALL.split()) - set(scopes)))
