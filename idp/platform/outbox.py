"""Events for other services: written with the change they tell of, numbered in commit order, kept until every receiver has them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.platform import traces
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.platform.generations import bump
from idp.platform.ids import digest, new_id, new_secret
from idp.platform.models import OutboxRow, ReceiverRow

SEQUENCE = "outbox"
_KEEP = 7 * 86400
EVENTS = (
    *("user.created", "user.updated", "user.disabled", "user.enabled", "user.deleted"),
    *("status.changed", "status.key_revoked"),
)
"""Every type there is; a receiver names them by pattern."""
_PATTERN = re.compile(r"[a-z_]+\.(\*|[a-z_]+)\Z")


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
            "traceparent": traces.traceparent(),
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
        if not _reachable(url):
            raise Refused("url", "a receiver has an http or https URL without user, password or fragment")
        if not events or not all(_matches_any(pattern) for pattern in events):
            raise Refused("events", f"events are {', '.join(EVENTS)}, or user.* and status.* for all of a kind")
        if not 0 < len(audience) <= 2048 or not audience.isprintable():
            raise Refused("audience", "an audience has 1 to 2048 printable characters")
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
        return receiver_of(row), token

    def list(self) -> list[Receiver]:
        with self._database.read() as tx:
            return [receiver_of(row) for row in tx.execute(sa.select(ReceiverRow.__table__).order_by(ReceiverRow.id))]

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


def receiver_of(row: AnyRow) -> Receiver:
    return Receiver(row.id, row.url, row.audience, tuple(row.events), row.position, row.failures, row.last_error)


def _reachable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        return False
    return bool(usable) and not parts.fragment and len(url) <= 2048 and url.isascii() and url.isprintable()


def _matches_any(pattern: str) -> bool:
    return _PATTERN.match(pattern) is not None and any(fnmatch.fnmatchcase(event, pattern) for event in EVENTS)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget events older than a week that every receiver has; returns how many."""
    behind = sa.select(sa.func.min(ReceiverRow.position)).scalar_subquery()
    reached = sa.or_(behind.is_(None), OutboxRow.sequence <= behind)
    newest = sa.select(sa.func.max(OutboxRow.sequence)).scalar_subquery()
    old = (OutboxRow.created_at < now - _KEEP, OutboxRow.sequence < newest)
    over = sa.select(OutboxRow.sequence).where(reached, *old).limit(limit)
    return tx.execute(sa.delete(OutboxRow).where(OutboxRow.sequence.in_(over))).rowcount
