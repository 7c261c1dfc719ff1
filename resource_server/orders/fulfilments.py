"""v2: fulfilments of paid orders, which support and admins ask for."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, jsonify
from pydantic import Field

from resource_server.api import bodies, idempotency
from resource_server.api.acknowledged import Acknowledgements, OperationShown
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.orders import delivery, documents, matrix
from resource_server.orders.delivery import Delivery
from resource_server.orders.v2 import ORDER, READ, WRITE, Tools, within_reach


class NewFulfilment(bodies.Strict):
    """How an order is sent. `tracking` is the number under which the carrier knows it."""

    tracking: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None


class Fulfilments:
    """A noun under an order; there is at most one."""

    def __init__(self, tools: Tools, delivery: Delivery, acknowledged: Acknowledgements) -> None:
        self._tools = tools
        self._delivery = delivery
        self._acknowledged = acknowledged

    def mounted(self) -> list[Operation]:
        path = f"{ORDER}/fulfilments"
        made: dict[int, Any] = {202: OperationShown, 201: documents.OrderShown}
        fulfil = Doc(summary="Fulfil an order", answers=made, body=NewFulfilment, problems=("illegal_step",))
        listed = Doc(summary="List the fulfilments of an order", answers={200: documents.Fulfilments})
        return [
            Operation("POST", path, WRITE, self.create, matrix.FULFIL, key="required", doc=fulfil),
            Operation("GET", path, READ, self.list, matrix.SEE_FULFILMENT, doc=listed),
        ]

    def create(self, access: Access, order_id: str) -> Response:
        """Have a paid order sent out; the operation is over once it is fulfilled."""
        asked, document = bodies.read(NewFulfilment)
        kept, use = (
            self._tools.kept,
            idempotency.asked(access.principal, f"POST /v2/orders/{order_id}/fulfilments", document),
        )
        with self._tools.store.change() as tx:
            order = within_reach(tx, access, order_id)
            first = kept.first(tx, use)
            if first is None:
                who = {"actor": access.subject, "client_id": access.principal.client_id}
                answer = self._acknowledged.answer(tx, self._delivery.begin(tx, order, tracking=asked.tracking, **who))
                kept.keep(tx, use, answer)
        return self._acknowledged.response(first or answer, replayed=first is not None)

    def list(self, access: Access, order_id: str) -> Response:
        with self._tools.store.read() as tx:
            row = delivery.find(tx, within_reach(tx, access, order_id).id)
        return jsonify({"items": [] if row is None else [documents.fulfilment(row)]})
