"""Pushes events in order to every receiver: Security Event Tokens (RFC 8417) over HTTP (RFC 8935).

A receiver that does not answer is tried again with growing delay and loses nothing; of several nodes one at a time serves a receiver.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.platform import traces
from idp.platform.db import AnyRow, Database
from idp.platform.ids import new_id
from idp.platform.models import OutboxRow, ReceiverRow
from idp.platform.outbox import Receiver, receiver_of
from vetted_http import Client, FetchError

URN = "urn:idp:event:"
CONTENT_TYPE = "application/secevent+jwt"
_LEASE_SECONDS = 30
_BEHIND = sa.select(ReceiverRow.id).where(
    ReceiverRow.position < sa.select(sa.func.max(OutboxRow.sequence)).scalar_subquery(),
    ReceiverRow.next_attempt_at <= sa.bindparam("now"),
)
_BATCH = 50
Sign = Callable[[Mapping[str, Any]], str]
log = structlog.get_logger("idp.outbox")


class Pusher:
    """Delivers what waits: `run` does one round over all receivers."""

    def __init__(self, database: Database, clock: Clock, http: Client, sign: Sign, *, issuer: str) -> None:
        self._database = database
        self._clock = clock
        self._http = http
        self._sign = sign
        self._issuer = issuer
        self._me = new_id(clock.precise())

    def run(self) -> int:
        """Push to every receiver that has something waiting and is due; returns how many events were acknowledged."""
        with self._database.read() as tx:
            waiting = tx.execute(_BEHIND, {"now": self._clock.precise()}).scalars().all()
        return sum(self._serve(identifier) for identifier in waiting)

    def _serve(self, identifier: str) -> int:
        receiver = self._lease(identifier)
        if receiver is None:
            return 0
        delivered = 0
        for event in self._waiting(receiver.position):
            if any(fnmatch.fnmatchcase(event.type, pattern) for pattern in receiver.events):
                with traces.within(event.traceparent):
                    error = self._push(receiver, event)
                if error is not None:
                    self._release(receiver, error)
                    return delivered
                delivered += 1
                receiver = replace(receiver, failures=0)
            if not self._advance(receiver.id, event.sequence):
                return delivered
        self._release(receiver, None)
        return delivered

    def _lease(self, identifier: str) -> Receiver | None:
        now = self._clock.precise()
        lease = (
            sa.update(ReceiverRow)
            .where(ReceiverRow.id == identifier, ReceiverRow.lease_until <= now, ReceiverRow.next_attempt_at <= now)
            .values(lease_owner=self._me, lease_until=now + _LEASE_SECONDS)
            .returning(*ReceiverRow.__table__.c)
        )
        with self._database.write() as tx:
            row = tx.execute(lease).one_or_none()
        return None if row is None else receiver_of(row)

    def _waiting(self, position: int) -> Sequence[AnyRow]:
        query = sa.select(OutboxRow.__table__).where(OutboxRow.sequence > position)
        with self._database.read() as tx:
            return tx.execute(query.order_by(OutboxRow.sequence).limit(_BATCH)).all()

    def _push(self, receiver: Receiver, event: AnyRow) -> str | None:
        """Push one event; None, or what went wrong."""
        token = self._sign(self._claims(receiver, event))
        headers = {"Content-Type": CONTENT_TYPE, "Accept": "application/json", **traces.headers()}
        try:
            answer = self._http.post(receiver.url, token.encode("ascii"), headers)
        except FetchError as error:
            return error.kind
        return None if answer.status in (200, 202, 204) else f"status {answer.status}"

    def _claims(self, receiver: Receiver, event: AnyRow) -> dict[str, Any]:
        return {
            "iss": self._issuer,
            "aud": receiver.audience,
            "iat": self._clock.now(),
            "jti": f"{receiver.id}.{event.sequence}",
            "txn": str(event.sequence),
            "sub_id": _subject(event, self._issuer),
            "events": {f"{URN}{event.type}": {"sequence": event.sequence, _topic(event): event.payload}},
        }

    def _advance(self, identifier: str, sequence: int) -> bool:
        """Note the acknowledgement and keep the lease; False when another node holds it by now."""
        mine = (ReceiverRow.id == identifier, ReceiverRow.lease_owner == self._me)
        now = self._clock.precise()
        step = (
            sa.update(ReceiverRow).where(*mine).values(position=sequence, failures=0, lease_until=now + _LEASE_SECONDS)
        )
        with self._database.write() as tx:
            return tx.execute(step).rowcount == 1

    def _release(self, receiver: Receiver, error: str | None) -> None:
        now = self._clock.precise()
        values: dict[str, Any] = {"lease_until": 0.0, "lease_owner": None, "last_error": error}
        if error is not None:
            log.warning("event not delivered", receiver=receiver.id, error=error, failures=receiver.failures + 1)
            delay = min(300.0, 2.0 ** min(receiver.failures, 9))
            values |= {"failures": receiver.failures + 1, "next_attempt_at": now + delay}
        with self._database.write() as tx:
            mine = (ReceiverRow.id == receiver.id, ReceiverRow.lease_owner == self._me)
            tx.execute(sa.update(ReceiverRow).where(*mine).values(**values))


def _topic(event: AnyRow) -> str:
    """What an event is about, `user` or `status`: the first part of its type."""
    return str(event.type).partition(".")[0]


def _subject(event: AnyRow, issuer: str) -> dict[str, Any]:
    """Whom or what it is about (RFC 9493 §3): a person of ours, a list by its URI, or a key by its id."""
    match event.type:
        case "status.changed":
            return {"format": "uri", "uri": event.subject}
        case "status.key_revoked":
            return {"format": "opaque", "id": event.subject}
    return {"format": "iss_sub", "iss": issuer, "sub": event.subject}
