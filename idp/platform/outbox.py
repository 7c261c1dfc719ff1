"""Events for other services: written with the change they tell of, numbered in commit order, pushed in order to every receiver.

Security Event Tokens (RFC 8417) by push (RFC 8935). A receiver that does not answer is tried again with growing delay and loses nothing;
of several nodes one at a time serves a receiver.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.errors import Refused
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.platform.generations import bump
from idp.platform.ids import digest, new_id, new_secret
from idp.platform.models import OutboxRow, ReceiverRow
from vetted_http import Client, FetchError

SEQUENCE = "outbox"
URN = "urn:idp:event:"
CONTENT_TYPE = "application/secevent+jwt"
_LEASE_SECONDS = 30
_BATCH = 50
_KEEP = 7 * 86400
_PATTERN = re.compile(r"[a-z_]+\.(\*|[a-z_]+)\Z")
Sign = Callable[[Mapping[str, Any]], str]
log = structlog.get_logger("idp.outbox")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A service that is told of events; `position` is the last sequence it acknowledged."""

    id: str
    url: str
    audience: str
    events: tuple[str, ...]
    position: int
    failures: int
    last_error: str | None


class Outbox:
    """Adds events to a transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def publish(self, tx: sa.Connection, type_: str, subject: str, payload: Mapping[str, Any]) -> None:
        """Add one event; the lock on the sequence makes its order the order of commits."""
        values = {
            "sequence": bump(tx, SEQUENCE),
            "type": type_,
            "subject": subject,
            "payload": dict(payload),
            "created_at": self._clock.now(),
        }
        tx.execute(sa.insert(OutboxRow).values(**values))


class Receivers:
    """Who is told, managed by the command line."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def create(self, *, url: str, events: Sequence[str], audience: str) -> tuple[Receiver, str]:
        """Register a receiver; the token, shown this once, opens the snapshot that fills it."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment or len(url) > 2048:
            raise Refused("url", "a receiver has an http or https URL")
        if not events or not all(_PATTERN.match(event) for event in events):
            raise Refused("events", "events look like user.* or user.created")
        token = new_secret()
        with self._database.write() as tx:
            newest = tx.execute(sa.select(sa.func.max(OutboxRow.sequence))).scalar() or 0
            values = {
                "id": new_id(self._clock.precise()),
                "url": url,
                "audience": audience,
                "events": list(events),
                "token_digest": digest(token),
                "position": newest,
                "failures": 0,
                "next_attempt_at": 0.0,
                "lease_until": 0.0,
                "created_at": self._clock.now(),
            }
            row = tx.execute(sa.insert(ReceiverRow).values(**values).returning(*ReceiverRow.__table__.c)).one()
            self._audit.append(tx, "receiver.created", receiver=values["id"], url=url)
        return _receiver(row), token

    def list(self) -> list[Receiver]:
        with self._database.read() as tx:
            return [_receiver(row) for row in tx.execute(sa.select(ReceiverRow.__table__).order_by(ReceiverRow.id))]

    def delete(self, identifier: str) -> None:
        with self._database.write() as tx:
            if tx.execute(sa.delete(ReceiverRow).where(ReceiverRow.id == identifier)).rowcount != 1:
                raise Refused("unknown", "there is no such receiver")
            self._audit.append(tx, "receiver.deleted", receiver=identifier)

    def authenticate(self, token: str) -> bool:
        """Whether this is the token of a receiver."""
        with self._database.read() as tx:
            query = sa.select(ReceiverRow.id).where(ReceiverRow.token_digest == digest(token))
            return tx.execute(query).scalar() is not None


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
            newest = tx.execute(sa.select(sa.func.max(OutboxRow.sequence))).scalar() or 0
            behind = (ReceiverRow.position < newest, ReceiverRow.next_attempt_at <= self._clock.precise())
            waiting = tx.execute(sa.select(ReceiverRow.id).where(*behind)).scalars().all()
        return sum(self._serve(identifier) for identifier in waiting)

    def _serve(self, identifier: str) -> int:
        receiver = self._lease(identifier)
        if receiver is None:
            return 0
        delivered = 0
        for event in self._waiting(receiver.position):
            if any(fnmatch.fnmatchcase(event.type, pattern) for pattern in receiver.events):
                error = self._push(receiver, event)
                if error is not None:
                    self._release(receiver, error)
                    return delivered
                delivered += 1
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
        return None if row is None else _receiver(row)

    def _waiting(self, position: int) -> Sequence[AnyRow]:
        query = sa.select(OutboxRow.__table__).where(OutboxRow.sequence > position)
        with self._database.read() as tx:
            return tx.execute(query.order_by(OutboxRow.sequence).limit(_BATCH)).all()

    def _push(self, receiver: Receiver, event: AnyRow) -> str | None:
        """Push one event; None, or what went wrong."""
        token = self._sign(self._claims(receiver, event))
        try:
            answer = self._http.post(
                receiver.url, token.encode("ascii"), {"Content-Type": CONTENT_TYPE, "Accept": "application/json"}
            )
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
            "sub_id": {"format": "iss_sub", "iss": self._issuer, "sub": event.subject},
            "events": {f"{URN}{event.type}": {"sequence": event.sequence, "user": event.payload}},
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


def _receiver(row: AnyRow) -> Receiver:
    return Receiver(row.id, row.url, row.audience, tuple(row.events), row.position, row.failures, row.last_error)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget events older than a week that every receiver has; returns how many."""
    behind = sa.select(sa.func.min(ReceiverRow.position)).scalar_subquery()
    reached = sa.or_(behind.is_(None), OutboxRow.sequence <= behind)
    newest = sa.select(sa.func.max(OutboxRow.sequence)).scalar_subquery()
    old = (OutboxRow.created_at < now - _KEEP, OutboxRow.sequence < newest)
    over = sa.select(OutboxRow.sequence).where(reached, *old).limit(limit)
    return tx.execute(sa.delete(OutboxRow).where(OutboxRow.sequence.in_(over))).rowcount
