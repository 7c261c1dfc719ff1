"""What orders tell payments, which send the webhooks of both: each step once, to whom its payment concerns."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from token_guard import Needs

from resource_server.api import bodies
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.edges.faces import OrderStep
from resource_server.payments import matrix
from resource_server.payments.models import InboxRow, Payment
from resource_server.payments.webhooks.events import TYPES, Announcer, Event
from resource_server.platform.store import Store
from resource_server.work import inbox
from resource_server.work.jobs import Jobs

HEAR = Needs(scopes=("payments:hear",))
"""A scope that no issuer grants: services say it themselves."""
_CONSUMER = "orders.order_changed"
_Text = Annotated[str, Field(max_length=255)]


class Hearing:
    """Announces what there is a webhook for; an order that no payment of ours paid concerns nobody here."""

    def __init__(self, store: Store, jobs: Jobs, announcer: Announcer) -> None:
        self._store = store
        self._jobs = jobs
        self._announcer = announcer

    def order_changed(self, step: OrderStep) -> None:
        kind = f"order.{step.status}"
        of = (Payment.order_id == step.order[:32], Payment.owner == step.owner)
        with self._store.change() as tx:
            query = sa.select(Payment.client_id).where(*of).order_by(Payment.id.desc()).limit(1)
            payer: str | None = tx.execute(query).scalar()
            if payer is None or kind not in TYPES:
                return
            if inbox.take(tx, InboxRow, _CONSUMER, f"{step.order}.{step.version}", self._jobs.now()):
                data = {"id": step.order, "status": step.status, "version": step.version}
                self._announcer.announce(tx, Event(kind, step.client_id or payer, data))


class OrderTold(BaseModel):
    """How an order is after a step."""

    model_config = ConfigDict(extra="ignore", strict=True)
    order: _Text
    owner: _Text
    status: _Text
    version: Annotated[int, Field(ge=1)]
    app: _Text | None = None


class OrderEvent(BaseModel):
    """A CloudEvent (1.0) of the orders service; members we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True)
    specversion: Literal["1.0"]
    id: _Text
    type: _Text
    data: OrderTold


class OrderEvents:
    """Where orders tell of a step."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    def mounted(self) -> list[Operation]:
        doc = Doc(summary="Hear of an order", answers={204: None}, body=OrderEvent)
        return [
            Operation("POST", "/v2/order-events", HEAR, self.receive, matrix.HEAR, between=True, doc=doc),
        ]

    def receive(self, access: Access) -> Response:
        """204 whether it was news or a repeat."""
        event, _ = bodies.read(OrderEvent)
        told = event.data
        self._hearing.order_changed(OrderStep(told.order, told.owner, told.status, told.version, told.app))
        return Response(status=204)
