"""v1 of the payments API: create and read. A payment is recorded `pending`; the worker settles it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Response, jsonify, request
from pydantic import Field
from token_guard import Needs, Principal

from resource_server.api import bodies, ids, pages
from resource_server.api.conditional import with_etag
from resource_server.api.money import Money
from resource_server.api.operation import Operation
from resource_server.api.problems import Problem, not_found
from resource_server.payments.allowance import Allowance
from resource_server.payments.models import IdempotencyKey, Payment
from resource_server.platform.store import Store, insert_or_ignore

_MAX_KEY = 255
_READ = Needs(scopes=("payments:read",))
_WRITE = Needs(scopes=("payments:write",), on_stale="deny")
"""Money does not move on a token of which nobody can tell whether it was revoked."""


class NewPayment(bodies.Strict):
    """What a client sends."""

    amount: Annotated[str, Field(max_length=20)]
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    order: Annotated[str, Field(pattern=r"^ord_[a-v0-9]{26}$")] | None = None


class PaymentsApi:
    """A person, or a service, sees its own payments only."""

    def __init__(self, store: Store, allowance: Allowance) -> None:
        self._store = store
        self._allowance = allowance

    def operations(self) -> list[Operation]:
        write = replace(_WRITE, details=self._allowance.details)
        return [
            Operation("POST", "/v1/payments", write, self.create),
            Operation("GET", "/v1/payments", _READ, self.list),
            Operation("GET", "/v1/payments/<payment_id>", _READ, self.show),
        ]

    def create(self, principal: Principal) -> Response:
        """A new payment; with an Idempotency-Key, twins get the first one's answer and make nothing."""
        asked, document = bodies.read(NewPayment)
        payment = _new(asked, principal)
        key = request.headers.get("Idempotency-Key")
        self._allowance.check(principal, payment["value"])
        with self._store.change() as tx:
            replayed = self._first_use(tx, key, principal, document, payment) if key is not None else None
            if replayed is None:
                self._allowance.use(tx, principal, payment)
                tx.execute(sa.insert(Payment).values(**payment))
        return _created(replayed or _shown(payment), replayed=replayed is not None)

    def _first_use(
        self, tx: sa.Connection, key: str, principal: Principal, document: dict[str, Any], payment: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """None for the first use of a key, in the transaction of what it makes; else the answer of the first."""
        if not 0 < len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable():
            raise Problem(400, "invalid_idempotency_key", "An Idempotency-Key has 1 to 255 printable characters.")
        scope = _digest(principal.client_id, principal.subject, "POST /v1/payments", key)
        fingerprint = _digest(json.dumps(document, sort_keys=True, separators=(",", ":")))
        values = {
            "scope": scope,
            "fingerprint": fingerprint,
            "answer": _shown(payment),
            "created_at": payment["created_at"],
        }
        if insert_or_ignore(tx, IdempotencyKey, values):
            return None
        used = tx.execute(sa.select(*IdempotencyKey.__table__.c).where(IdempotencyKey.scope == scope)).one()
        if used.fingerprint != fingerprint:
            raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
        answer: dict[str, Any] = used.answer
        return answer

    def list(self, principal: Principal) -> Response:
        query = sa.select(*Payment.__table__.c).where(Payment.owner == principal.subject).order_by(Payment.id.desc())
        with self._store.read() as tx:
            return jsonify(pages.shown(tx, query, pages.asked(), lambda row: _shown(row._mapping)))

    def show(self, principal: Principal, payment_id: str) -> Response:
        with self._store.read() as tx:
            payment = tx.execute(sa.select(*Payment.__table__.c).where(Payment.id == payment_id[:32])).one_or_none()
        if payment is None or payment.owner != principal.subject:
            raise not_found()
        return with_etag(jsonify(_shown(payment._mapping)), payment.id, payment.version)


def _new(asked: NewPayment, principal: Principal) -> Mapping[str, Any]:
    try:
        money = Money.parse(asked.amount, asked.currency)
        if money.value == 0:
            raise ValueError("nothing cannot be paid")
    except ValueError as error:
        found = [{"pointer": "/amount", "detail": str(error)}]
        raise Problem(422, "invalid", "The amount does not fit.", errors=found) from error
    return {
        "id": ids.new_id("pay"),
        "owner": principal.subject,
        "client_id": principal.client_id,
        "order_id": asked.order,
        "value": money.value,
        "currency": money.currency,
        "status": "pending",
        "created_at": int(time.time()),
        "version": 1,
    }


def _created(document: dict[str, Any], *, replayed: bool) -> Response:
    response = jsonify(document)
    response.status_code = 201
    response.headers["Location"] = f"/v1/payments/{document['id']}"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _shown(payment: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "id": payment["id"],
        "amount": Money(payment["value"], payment["currency"]).text(),
        "currency": payment["currency"],
        "order": payment["order_id"],
        "status": payment["status"],
        "created_at": payment["created_at"],
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
