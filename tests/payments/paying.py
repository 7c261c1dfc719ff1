"""Paying through v2, and following what becomes of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import requests

from tests.resource_server.apis import PROVIDER_SECRET, Apis, Caller

DEADLINE = 30.0
_Seen = TypeVar("_Seen")


def key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(8)}


def euros(value: int) -> dict[str, Any]:
    return {"value": value, "currency": "EUR"}


def eventually(look: Callable[[], _Seen], fits: Callable[[_Seen], bool], *, within: float = DEADLINE) -> _Seen:
    """What `look` sees once it fits, within so many seconds."""
    deadline = time.monotonic() + within
    while not fits(seen := look()):
        assert time.monotonic() < deadline, f"never so: {seen}"
        time.sleep(0.02)
    return seen


def ask(caller: Caller, path: str, document: dict[str, Any] | None = None, **headers: str) -> requests.Response:
    """Ask for a change under a new key."""
    return caller.post(path, document or {}, **{**key(), **headers})


def accepted(caller: Caller, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The operation of a change that was acknowledged."""
    response = ask(caller, path, document)
    assert response.status_code == 202, response.text
    assert response.headers["Retry-After"] == "1"
    operation: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v2/operations/{operation['id']}"
    return operation


def over(caller: Caller, operation: dict[str, Any]) -> dict[str, Any]:
    """The operation once it is done."""
    return eventually(lambda: caller.get(f"/v2/operations/{operation['id']}").json(), lambda seen: seen["done"])


def shown(caller: Caller, operation: dict[str, Any]) -> dict[str, Any]:
    """What an operation is about, as it is now."""
    found: dict[str, Any] = caller.get(operation["resource"]).json()
    return found


def paid(caller: Caller, value: int = 1234, **more: Any) -> dict[str, Any]:
    """A payment whose operation is over."""
    operation = accepted(caller, "/v2/payments", {"amount": euros(value), **more})
    over(caller, operation)
    return shown(caller, operation)


def steps(caller: Caller, payment: dict[str, Any]) -> list[str]:
    """The statuses a payment went through."""
    found = caller.get(f"/v2/payments/{payment['id']}/transitions").json()["items"]
    return [step["after"] for step in found]


class Till:
    """People of each role, and a look at the provider's books."""

    def __init__(self, apis: Apis) -> None:
        self.apis = apis
        self.customer = cache(apis.person)
        self.other = cache(apis.person)
        self.support = self._staff("support")
        self.finance = self._staff("finance")
        self.second = self._staff("finance")
        self.admin = self._staff("admin")

    def _staff(self, role: str) -> Callable[[], Caller]:
        return cache(lambda: self.apis.caller(self.apis.new_person("--role", role)))

    def charges(self) -> list[dict[str, Any]]:
        """Everything the provider charged."""
        headers = {"Authorization": f"Bearer {PROVIDER_SECRET}"}
        response = requests.get(f"{self.apis.provider}/charges", headers=headers, timeout=30)
        found: list[dict[str, Any]] = response.json()["charges"]
        return found

    def charged(self, payment: dict[str, Any]) -> dict[str, Any]:
        """The one charge of a payment."""
        (found,) = [one for one in self.charges() if one["reference"] == payment["id"]]
        return found

    def authenticate(self, payment: dict[str, Any], *, passed: bool) -> None:
        """What the payer does at their bank."""
        headers = {"Authorization": f"Bearer {PROVIDER_SECRET}"}
        url = f"{self.apis.provider}/charges/{self.charged(payment)['key']}/authentications"
        assert requests.post(url, json={"passed": passed}, headers=headers, timeout=30).status_code == 200
