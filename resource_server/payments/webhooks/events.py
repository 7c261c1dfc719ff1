"""Events: written with the change they tell of, and a delivery for each endpoint that wants them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from resource_server.payments.machine import Status
from resource_server.payments.models import DeliveryRow, EndpointRow, EventRow
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row, insert_or_ignore
from resource_server.work.jobs import Jobs

DELIVER = "webhook.deliver"
FULFILLED = "order.fulfilled"
TYPES = (*(f"payment.{status.value}" for status in Status), FULFILLED)
"""Every type there is; an endpoint names them, or all by `*`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a payment made through `client_id`, or to the order that it paid."""

    type: str
    client_id: str
    data: Mapping[str, Any]


class Announcer:
    """Adds events, and their deliveries, to a transaction."""

    def __init__(self, jobs: Jobs, *, now: Callable[[], float] = time.time) -> None:
        self._jobs = jobs
        self._now = now

    def payment_changed(self, tx: sa.Connection, payment: Row) -> None:
        """Tell of a step; thin: who wants more reads the payment."""
        data = {"id": payment.id, "status": payment.status, "version": payment.version, "order": payment.order_id}
        self.announce(tx, Event(f"payment.{payment.status}", payment.client_id, data))

    def announce(self, tx: sa.Connection, event: Event) -> None:
        """Add one event, to be delivered to whom it concerns."""
        identifier = new_id("evt")
        row = {"id": identifier, "type": event.type, "client_id": event.client_id, "data": dict(event.data)}
        tx.execute(sa.insert(EventRow).values(**row, created_at=self._now()))
        wanted = (endpoint.id for endpoint in _concerned(tx, event))
        self.deliver(tx, identifier, wanted)

    def deliver(self, tx: sa.Connection, event: str, endpoints: Iterable[str]) -> list[str]:
        """Send an event, anew too, to these endpoints; returns those it is sent to now. One under way is left to its own pace."""
        sent = []
        for endpoint in endpoints:
            row = {"event_id": event, "endpoint_id": endpoint, "state": "waiting", "attempts": 0}
            row["updated_at"] = self._now()
            if insert_or_ignore(tx, DeliveryRow, row) or self._reopened(tx, event, endpoint):
                self._jobs.enqueue(tx, DELIVER, {"event": event, "endpoint": endpoint})
                sent.append(endpoint)
        return sent

    def _reopened(self, tx: sa.Connection, event: str, endpoint: str) -> bool:
        one = (DeliveryRow.event_id == event, DeliveryRow.endpoint_id == endpoint, DeliveryRow.state != "waiting")
        values = {"state": "waiting", "attempts": 0, "updated_at": self._now()}
        return tx.execute(sa.update(DeliveryRow).where(*one).values(**values)).rowcount == 1


def wants(endpoint: Row, event_type: str) -> bool:
    """Whether an endpoint asked for events of this type."""
    return "*" in endpoint.events or event_type in endpoint.events


def _concerned(tx: sa.Connection, event: Event) -> list[Row]:
    found = tx.execute(_ENDPOINTS, {"client": event.client_id}).all()
    return [endpoint for endpoint in found if wants(endpoint, event.type)]


_ENDPOINTS = sa.select(EndpointRow.id, EndpointRow.events).where(
    EndpointRow.state == "enabled",
    sa.or_(EndpointRow.client_id == sa.bindparam("client"), EndpointRow.everything),
)
