"""The contracts of both versions are frozen: what is added is no harm, what breaks a client fails here."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.breaking import breaking
from tests.contracts.generated import CONTRACTS, FROZEN, generated


def frozen(service: str, version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FROZEN / f"{service}-{version}.json").read_text("utf-8"))
    return document


@pytest.mark.parametrize(("service", "version"), CONTRACTS)
def test_what_was_promised_is_kept(service: str, version: str) -> None:
    assert breaking(frozen(service, version), generated()[service, version]) == []


def _at(document: dict[str, Any], *path: str) -> dict[str, Any]:
    for name in path:
        document = document[name]
    return document


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return _at(document, "components", "schemas", name)


PAY = ("paths", "/v2/payments", "post")
LIST = ("paths", "/v2/payments", "get")
BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a path is gone": lambda document: document["paths"].pop("/v2/payments/{payment_id}"),
    "a method is gone": lambda document: document["paths"]["/v2/payments"].pop("get"),
    "a field is gone": lambda document: _schema(document, "PaymentShown")["properties"].pop("captured"),
    "a field may be missing": lambda document: _schema(document, "PaymentShown")["required"].remove("status"),
    "a field is of another type": lambda document: _schema(document, "PaymentShown")["properties"].update(
        version={"type": "string"}
    ),
    "a field must be sent": lambda document: _schema(document, "NewPayment")["required"].append("order"),
    "a field is not taken": lambda document: _schema(document, "NewPayment")["properties"].pop("capture"),
    "a value is not taken": lambda document: _schema(document, "NewPayment")["properties"]["capture"]["enum"].pop(),
    "another scope is needed": lambda document: _at(document, *PAY).update(security=[{"issuer": ["payments:admin"]}]),
    "a status is gone": lambda document: _at(document, *PAY)["responses"].pop("202"),
    "a header is needed": lambda document: _at(document, *LIST)["parameters"].append(
        {"in": "header", "name": "X-New", "required": True, "schema": {"type": "string"}}
    ),
    "a parameter is gone": lambda document: _at(document, *LIST)["parameters"].pop(),
    "an event is gone": lambda document: document["webhooks"].pop("payment.failed"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_breaks_a_client_is_seen(what: str) -> None:
    before = generated()["payments", "v2"]
    after = copy.deepcopy(before)
    BREAKS[what](after)
    assert len(breaking(before, after)) >= 1


def test_what_is_added_breaks_nobody() -> None:
    before = generated()["payments", "v2"]
    after = copy.deepcopy(before)
    _schema(after, "PaymentShown")["properties"]["new"] = {"type": "string"}
    _schema(after, "NewPayment")["properties"]["new"] = {"type": "string"}
    after["paths"]["/v2/new"] = copy.deepcopy(after["paths"]["/v2/payments"])
    _at(after, *LIST)["parameters"].append(
        {"in": "query", "name": "new", "required": False, "schema": {"type": "string"}}
    )
    assert breaking(before, after) == []
