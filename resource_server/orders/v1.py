"""v1 of the orders API: requests up into the core's types and answers down from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

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
from resource_server.edges.v1 import PAYMENT_STATUS
from resource_server.orders import documents, matrix
from resource_server.orders.documents import MAX_LINES, V1_STATUS, Quantity, Sku
from resource_server.orders.expanding import Expanding, variant
from resource_server.orders.machine import Status
from resource_server.orders.models import Order
from resource_server.orders.v2 import READ, WRITE, Tools, within_reach
from resource_server.platform.store import Row


class Line(bodies.Strict):
    """One position of an order."""

    sku: Sku
    quantity: Quantity
    unit_price: Annotated[str, Field(max_length=20, examples=["2.50"])]


class NewOrder(bodies.Strict):
    """What a client sends."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES)]
    currency: Annotated[str, Field(min_length=3, max_length=3, examples=["EUR"])]


class LineShown(BaseModel):
    """One position."""

    sku: str
    quantity: int
    unit_price: str


class OrderShown(BaseModel):
    """An order, as v1 shows it."""

    id: str
    lines: list[LineShown]
    currency: str
    total: str
    status: str
    created_at: int


class PaymentOfOrder(BaseModel):
    """The payment of an order, as v1 shows payments."""

    id: str
    amount: str
    currency: str
    order: str | None
    status: str
    created_at: int


class OrderWithPayment(OrderShown):
    """An order with its newest payment: null where there is none, where the caller may not read payments, and while they cannot be asked."""

    payment: PaymentOfOrder | None


class OrderPage(BaseModel):
    """A page of the list."""

    items: list[OrderShown]
    page: int
    per_page: int
    total: int


class OrdersV1:
    """Create and read."""

    def __init__(self, tools: Tools, expanding: Expanding) -> None:
        self._tools = tools
        self._store = tools.store
        self._expanding = expanding

    def mounted(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/v1/orders",
                WRITE,
                self.create,
                matrix.CREATE,
                key="optional",
                doc=Doc(summary="Place an order", answers={201: OrderWithPayment}, body=NewOrder),
            ),
            Operation(
                "GET",
                "/v1/orders",
                READ,
                self.list,
                matrix.READ,
                doc=Doc(summary="List orders", answers={200: OrderPage}, query=pages.QUERY),
            ),
            Operation(
                "GET",
                "/v1/orders/<order_id>",
                READ,
                self.show,
                matrix.READ,
                tagged="shown",
                doc=Doc(summary="Show an order", answers={200: OrderWithPayment}),
            ),
        ]

    def create(self, access: Access) -> Response:
        """A draft order with its computed total."""
        asked, document = bodies.read(NewOrder)
        content = documents.content(_in_minor_units(asked), asked.currency)
        use, kept = idempotency.asked(access.principal, "POST /v1/orders", document), self._tools.kept
        with self._store.change() as tx:
            first = kept.first(tx, use)
            if first is None:
                order = self._tools.book.add(tx, access.subject, access.principal.client_id, content)
                answer = Answer(201, {**_shown(order), "payment": None}, {"Location": f"/v1/orders/{order.id}"})
                kept.keep(tx, use, answer)
        return (first or answer).response(replayed=first is not None)

    def list(self, access: Access) -> Response:
        query = sa.select(*Order.__table__.c).order_by(Order.id.desc())
        if access.owner is not None:
            query = query.where(Order.owner == access.owner)
        with self._store.read() as tx:
            return jsonify(pages.shown(tx, query, pages.asked(), _shown))

    def show(self, access: Access, order_id: str) -> Response:
        with self._store.read() as tx:
            order = within_reach(tx, access, order_id)
        payment = self._payment(access, order)
        shown = jsonify({**_shown(order), "payment": payment})
        return with_etag(shown, order.id, order.version, variant=variant(payment) if payment else None)

    def _payment(self, access: Access, order: Row) -> dict[str, Any] | None:
        """The newest one, as far as it can be shown: v1 never failed for want of it."""
        if not self._expanding.may_show(access):
            return None
        try:
            found = self._expanding.payments(access, order)
        except Problem:
            return None
        return _payment(found[-1]) if found else None


def _in_minor_units(asked: NewOrder) -> list[dict[str, Any]]:
    try:
        return [
            {**line.model_dump(), "unit_price": Money.parse(line.unit_price, asked.currency).value}
            for line in asked.lines
        ]
    except ValueError as error:
        raise documents.does_not_fit(str(error)) from error


def _payment(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What v2 shows, in v1's words."""
    amount = shown["amount"]
    return {
        "id": shown["id"],
        "amount": Money(amount["value"], amount["currency"]).text(),
        "currency": amount["currency"],
        "order": shown["order"],
        "status": PAYMENT_STATUS[shown["status"]],
        "created_at": int(datetime.fromisoformat(shown["created_at"]).timestamp()),
    }


def _shown(order: Row) -> dict[str, Any]:
    lines = [{**line, "unit_price": Money(line["unit_price"], order.currency).text()} for line in order.lines]
    return {
        "id": order.id,
        "lines": lines,
        "currency": order.currency,
        "total": Money(order.total, order.currency).text(),
        "status": V1_STATUS[Status(order.status)],
        "created_at": order.created_at,
    }
