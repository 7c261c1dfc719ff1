"""Delivering events: a signed POST through the guard against inside addresses; a ladder of tries; 410 ends it for good."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from resource_server.api import times
from resource_server.payments.models import DeliveryRow, EndpointRow, EventRow
from resource_server.payments.webhooks.events import DELIVER
from resource_server.payments.webhooks.keys import Keys
from resource_server.platform import signatures, traces
from resource_server.platform.store import Row, Store
from resource_server.work.kinds import Effect, Job, Kind, Ladder
from resource_server.work.steps import NO_STEPS, Steps
from vetted_http import Client, FetchError

_GONE = 410
log = structlog.get_logger("rs.webhooks")


class NotTaken(Exception):
    """The endpoint did not take the event; it is told again."""


class Delivery:
    """The handler of deliveries."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        client: Client,
        *,
        ladder: Ladder,
        steps: Steps = NO_STEPS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keys = keys
        self._client = client
        self._ladder = ladder
        self._steps = steps
        self._now = now

    def kinds(self) -> tuple[Kind, ...]:
        return (Kind(DELIVER, self.deliver, self._ladder, self._given_up),)

    def deliver(self, job: Job) -> Effect | None:
        """Send one event to one endpoint."""
        event_id, endpoint_id = job.payload["event"], job.payload["endpoint"]
        with self._store.read() as tx:
            event = tx.execute(sa.select(EventRow.__table__).where(EventRow.id == event_id)).one_or_none()
            endpoint = tx.execute(sa.select(EndpointRow.__table__).where(EndpointRow.id == endpoint_id)).one_or_none()
            keys = self._keys.signing(tx, endpoint_id)
        if event is None or endpoint is None or endpoint.state != "enabled":
            return lambda tx: self._note(tx, job, "dropped", None)
        body = _body(event)
        headers = signatures.headers(keys, event.id, int(self._now()), body)
        self._steps.at("webhook.sending")
        status = self._sent(endpoint.url, body, headers)
        self._steps.at("webhook.sent")
        if 200 <= status < 300:
            return lambda tx: self._note(tx, job, "delivered", status)
        if status == _GONE:
            return lambda tx: self._disable(tx, job)
        with self._store.change() as tx:
            self._note(tx, job, "waiting", status or None)
        raise NotTaken(status)

    def _sent(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer; 0 when there is none."""
        try:
            sent = {**headers, **traces.headers(), "Content-Type": "application/json"}
            return self._client.post(url, body, sent).status
        except FetchError as error:
            log.info("webhook not delivered", kind=error.kind)
            return 0

    def _note(self, tx: sa.Connection, job: Job, state: str, status: int | None) -> None:
        of = (DeliveryRow.event_id == job.payload["event"], DeliveryRow.endpoint_id == job.payload["endpoint"])
        values = {"state": state, "attempts": job.attempts, "last_status": status, "updated_at": self._now()}
        tx.execute(sa.update(DeliveryRow).where(*of).values(**values))

    def _disable(self, tx: sa.Connection, job: Job) -> None:
        """Who answers that they are gone is told nothing more, until somebody enables the endpoint."""
        one = (EndpointRow.id == job.payload["endpoint"], EndpointRow.state == "enabled")
        values = {"state": "disabled", "reason": "gone", "version": EndpointRow.version + 1}
        tx.execute(sa.update(EndpointRow).where(*one).values(**values))
        self._note(tx, job, "failed", _GONE)

    def _given_up(self, tx: sa.Connection, job: Job) -> None:
        of = (DeliveryRow.event_id == job.payload["event"], DeliveryRow.endpoint_id == job.payload["endpoint"])
        tx.execute(sa.update(DeliveryRow).where(*of).values(state="failed", updated_at=self._now()))


def _body(event: Row) -> bytes:
    document = {"type": event.type, "timestamp": times.shown(int(event.created_at)), "data": event.data}
    return json.dumps(document, separators=(",", ":")).encode()
