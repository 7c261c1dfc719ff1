"""How orders answer the other services, in this process and over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from token_guard import Needs

from resource_server.api import bodies
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.edges.faces import OrderSeen, PaymentSeen
from resource_server.orders import book, matrix
from resource_server.orders.saga import Saga
from resource_server.platform.store import Store

HEAR = Needs(scopes=("orders:hear",))
"""A scope that no issuer grants: services say it themselves."""
_Text = Annotated[str, Field(max_length=255)]


class OrdersAnswers:
    """Fills `OrdersFace`."""

    def __init__(self, store: Store, saga: Saga) -> None:
        self._store = store
        self._saga = saga

    def find(self, order_id: str) -> OrderSeen | None:
        with self._store.read() as tx:
            order = book.find(tx, order_id[:32])
        return None if order is None else OrderSeen(order.id, order.owner, order.total, order.currency, order.status)

    def payment_changed(self, payment: PaymentSeen) -> None:
        self._saga.hear(payment)


class PaymentTold(BaseModel):
    """How a payment is after a step."""

    model_config = ConfigDict(extra="ignore", strict=True)
    payment: _Text
    order: _Text | None = None
    owner: _Text
    status: _Text
    version: Annotated[int, Field(ge=1)]
    key: _Text | None = None
    failure: _Text | None = None


class PaymentEvent(BaseModel):
    """A CloudEvent (1.0) of the payments service; members we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True)
    specversion: Literal["1.0"]
    id: _Text
    type: _Text
    data: PaymentTold


class PaymentEvents:
    """Where payments tell of each step."""

    def __init__(self, saga: Saga) -> None:
        self._saga = saga

    def mounted(self) -> list[Operation]:
        doc = Doc(summary="Hear of a payment", answers={204: None}, body=PaymentEvent)
        return [
            Operation("POST", "/v2/payment-events", HEAR, self.receive, matrix.HEAR, between=True, doc=doc),
        ]

    def receive(self, access: Access) -> Response:
        """204 whether it was news, a repeat or late."""
        event, _ = bodies.read(PaymentEvent)
        told = event.data
        shown = {"failure": told.failure}
        seen = PaymentSeen(told.payment, told.order, told.owner, told.status, told.version, shown, told.key)
        self._saga.hear(seen)
        return Response(status=204)
