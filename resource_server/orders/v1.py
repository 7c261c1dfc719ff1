"""v1 of the orders API: create and read."""

from __future__ import annotations

import time
from functools import reduce
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Response, jsonify
from pydantic import Field
from token_guard import Needs, Principal

from resource_server.api import bodies, ids, pages
from resource_server.api.conditional import with_etag
from resource_server.api.money import Money
from resource_server.api.operation import Operation
from resource_server.api.problems import Problem, not_found
from resource_server.orders.models import Order
from resource_server.platform.store import Row, Store

_READ, _WRITE = Needs(scopes=("orders:read",)), Needs(scopes=("orders:write",))


class Line(bodies.Strict):
    """One position of an order."""

    sku: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    quantity: Annotated[int, Field(ge=1, le=10_000)]
    unit_price: Annotated[str, Field(max_length=20)]


class NewOrder(bodies.Strict):
    """What a client sends."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=100)]
    currency: Annotated[str, Field(min_length=3, max_length=3)]


class OrdersApi:
    """A person, or a service, sees its own orders only."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> list[Operation]:
        return [
            Operation("POST", "/v1/orders", _WRITE, self.create),
            Operation("GET", "/v1/orders", _READ, self.list),
            Operation("GET", "/v1/orders/<order_id>", _READ, self.show),
        ]

    def create(self, principal: Principal) -> Response:
        """A draft order with its computed total."""
        asked, _ = bodies.read(NewOrder)
        values = {
            "id": ids.new_id("ord"),
            "owner": principal.subject,
            "lines": [line.model_dump() for line in asked.lines],
            "currency": asked.currency,
            "total": _total(asked).value,
            "status": "draft",
            "created_at": int(time.time()),
            "version": 1,
        }
        with self._store.change() as tx:
            order = tx.execute(sa.insert(Order).values(**values).returning(*Order.__table__.c)).one()
        response = jsonify(_shown(order))
        response.status_code = 201
        response.headers["Location"] = f"/v1/orders/{order.id}"
        return response

    def list(self, principal: Principal) -> Response:
        query = sa.select(*Order.__table__.c).where(Order.owner == principal.subject).order_by(Order.id.desc())
        with self._store.read() as tx:
            return jsonify(pages.shown(tx, query, pages.asked(), _shown))

    def show(self, principal: Principal, order_id: str) -> Response:
        with self._store.read() as tx:
            order = tx.execute(sa.select(*Order.__table__.c).where(Order.id == order_id[:32])).one_or_none()
        if order is None or order.owner != principal.subject:
            raise not_found()
        return with_etag(jsonify(_shown(order)), order.id, order.version)


def _total(asked: NewOrder) -> Money:
    try:
        amounts = [Money.parse(line.unit_price, asked.currency).times(line.quantity) for line in asked.lines]
        return reduce(Money.plus, amounts)
    except ValueError as error:
        found = [{"pointer": "/lines", "detail": str(error)}]
        raise Problem(422, "invalid", "The amounts do not fit.", errors=found) from error


def _shown(order: Row) -> dict[str, Any]:
    return {
        "id": order.id,
        "lines": order.lines,
        "currency": order.currency,
        "total": Money(order.total, order.currency).text(),
        "status": order.status,
        "created_at": order.created_at,
    }
