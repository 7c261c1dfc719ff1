"""v1 of the payments API: requests up into the core's types and answers down from them. It waits a little where v2 acknowledges."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from flask import Response, jsonify
from pydantic import BaseModel, Field

from resource_server.api import bodies, idempotency, pages
from resource_server.api.conditional import with_etag
from resource_server.api.idempotency import Answer
from resource_server.api.money import Money
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem
from resource_server.payments import book, matrix
from resource_server.payments.desk import Wanted
from resource_server.payments.documents import V1_STATUS
from resource_server.payments.machine import Status
from resource_server.payments.models import Payment
from resource_server.payments.v2 import READ, WRITE, Tools, within_reach
from resource_server.platform.store import Row

_WAIT_SECONDS = 2.0
_CREATE = "POST /v1/payments"


class NewPayment(bodies.Strict):
    """What a client sends."""

    amount: Annotated[str, Field(max_length=20, examples=["12.34"])]
    currency: Annotated[str, Field(min_length=3, max_length=3, examples=["EUR"])]
    order: Annotated[str, Field(pattern=r"^ord_[a-v0-9]{26}$")] | None = None


class PaymentShown(BaseModel):
    """A payment, as v1 shows it."""

    id: str
    amount: str
    currency: str
    order: str | None
    status: Literal["pending", "paid", "failed", "refunded"]
    created_at: int


class PaymentPage(BaseModel):
    """A page of the list."""

    items: list[PaymentShown]
    page: int
    per_page: int
    total: int


class PaymentsV1:
    """Create and read."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.store

    def mounted(self) -> list[Operation]:
        create = replace(WRITE, details=self._tools.allowance.details)
        return [
            Operation(
                "POST",
                "/v1/payments",
                create,
                self.create,
                matrix.CREATE,
                key="optional",
                doc=Doc(summary="Pay", answers={201: PaymentShown}, body=NewPayment),
            ),
            Operation(
                "GET",
                "/v1/payments",
                READ,
                self.list,
                matrix.READ,
                doc=Doc(summary="List payments", answers={200: PaymentPage}, query=pages.QUERY),
            ),
            Operation(
                "GET",
                "/v1/payments/<payment_id>",
                READ,
                self.show,
                matrix.READ,
                tagged="shown",
                doc=Doc(summary="Show a payment", answers={200: PaymentShown}),
            ),
        ]

    def create(self, access: Access) -> Response:
        """A new payment, as it is after at most 2 s; a repeat of its key gets the same payment, as it is by then."""
        asked, document = bodies.read(NewPayment)
        tools, principal, money = self._tools, access.principal, _money(asked)
        tools.allowance.check(principal, money.value)
        use = idempotency.asked(principal, _CREATE, document)
        wanted = Wanted(money, owner=access.subject, client_id=principal.client_id, order=asked.order)
        with self._store.change() as tx:
            first = tools.kept.first(tx, use)
            if first is None:
                tools.allowance.use(tx, principal, wanted)
                answer = _created(tools.desk.create(tx, wanted))
                tools.kept.keep(tx, use, answer)
        return self._settled(first or answer).response(replayed=first is not None)

    def list(self, access: Access) -> Response:
        query = sa.select(*Payment.__table__.c).order_by(Payment.id.desc())
        if access.owner is not None:
            query = query.where(Payment.owner == access.owner)
        with self._store.read() as tx:
            return jsonify(pages.shown(tx, query, pages.asked(), _shown))

    def show(self, access: Access, payment_id: str) -> Response:
        with self._store.read() as tx:
            payment = within_reach(tx, access, payment_id)
        return with_etag(jsonify(_shown(payment)), payment.id, payment.version)

    def _settled(self, answer: Answer) -> Answer:
        """The answer with the payment as it is once the worker has done it, or after 2 s."""
        payment = self._find(str(answer.body["id"]))
        if payment is None:
            return answer
        self._tools.acknowledged.wait(payment.attempt, _WAIT_SECONDS)
        return replace(answer, body=_shown(self._find(payment.id) or payment))

    def _find(self, payment_id: str) -> Row | None:
        with self._store.read() as tx:
            return book.find(tx, payment_id)


def _money(asked: NewPayment) -> Money:
    try:
        money = Money.parse(asked.amount, asked.currency)
        if money.value == 0:
            raise ValueError("nothing cannot be paid")
    except ValueError as error:
        found = [{"pointer": "/amount", "detail": str(error)}]
        raise Problem(422, "invalid", "The amount does not fit.", errors=found) from error
    return money


def _created(payment: Row) -> Answer:
    return Answer(201, _shown(payment), {"Location": f"/v1/payments/{payment.id}"})


def _shown(payment: Row) -> dict[str, Any]:
    return {
        "id": payment.id,
        "amount": Money(payment.value, payment.currency).text(),
        "currency": payment.currency,
        "order": payment.order_id,
        "status": V1_STATUS[Status(payment.status)],
        "created_at": int(payment.created_at),
    }
