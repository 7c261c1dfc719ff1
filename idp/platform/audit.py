"""The audit trail: append-only rows in one hash chain a database, written in the transaction of what they tell of.

Whoever changes, removes or reorders a row breaks every hash after it; `verify` says where. The row of the chain's head is locked last, so
a transaction appends after all its other writes.

What an entry tells of a person besides their opaque `sub` lies beside it, and in the chain only the salted digest of that: it cannot be
changed unseen, but it can be forgotten with the person.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import AnyRow, insert_or_ignore
from idp.platform.ids import digest
from idp.platform.models import AuditHeadRow, AuditRow

_START = "0" * 64
_INSERT = sa.insert(AuditRow)
_STEP = (
    sa.update(AuditHeadRow)
    .where(AuditHeadRow.id == 1)
    .values(sequence=AuditHeadRow.sequence + 1)
    .returning(AuditHeadRow.sequence, AuditHeadRow.hash)
)
_LINK = sa.update(AuditHeadRow).where(AuditHeadRow.id == 1).values(hash=sa.bindparam("linked"))
_PAGE = 1000
PERSONAL = ("peer", "agent", "authorization_details")
"""What is told of a person so that it can be forgotten."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many rows were checked, and the first sequence where the chain is broken."""

    count: int
    broken_at: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry as the person it speaks of may see it."""

    sequence: int
    time: int
    name: str
    facts: Mapping[str, Any]


class Audit:
    """Appends and verifies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def append(
        self, tx: sa.Connection, event: str, *, outcome: str = "success", session: str | None = None, **detail: Any
    ) -> None:
        """Add one row: what happened, to whom, by whom. A session id goes in as a digest; never hand in a secret."""
        told = {"outcome": outcome, "session": session and session_mark(session), **detail}
        facts = {name: value for name, value in told.items() if value is not None}
        personal = _taken_apart(facts) if "sub" in facts else None
        self._link(tx, event, facts, personal)

    def _link(self, tx: sa.Connection, event: str, facts: dict[str, Any], personal: str | None) -> None:
        sequence, previous = self._next(tx)
        time = self._clock.now()
        entry = json.dumps({"sequence": sequence, "time": time, "event": event, **facts}, sort_keys=True)
        linked = _hash(previous, entry)
        row = {
            "sequence": sequence,
            "time": time,
            "event": event,
            "entry": entry,
            "hash": linked,
            "sub": facts.get("sub"),
            "personal": personal,
        }
        tx.execute(_INSERT, row)
        tx.execute(_LINK, {"linked": linked})

    def _next(self, tx: sa.Connection) -> tuple[int, str]:
        head = tx.execute(_STEP).one_or_none()
        if head is None:
            insert_or_ignore(tx, AuditHeadRow, {"id": 1, "sequence": 0, "hash": _START})
            head = tx.execute(_STEP).one()
        return int(head.sequence), str(head.hash)


def session_mark(sid: str) -> str:
    """What stands for a session in the trail."""
    return digest(sid)[:16]


def events_of(
    tx: sa.Connection, sub: str, limit: int, *, before: int | None = None, names: Collection[str] | None = None
) -> list[Event]:
    """What happened to a person, the newest first: entries in front of `before`, of these names alone where some are given."""
    query = sa.select(AuditRow.__table__).where(AuditRow.sub == sub).order_by(AuditRow.sequence.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRow.sequence < before)
    if names is not None:
        query = query.where(AuditRow.event.in_(names))
    return [_event(row) for row in tx.execute(query)]


def forget(tx: sa.Connection, sub: str) -> None:
    """Forget what the trail tells of a person beyond their opaque `sub`; the chain stays whole."""
    tx.execute(sa.update(AuditRow).where(AuditRow.sub == sub).values(personal=None))


def verify(tx: sa.Connection) -> Verdict:
    """Walk the whole chain and compare it with its head, in a transaction of its own that sees one moment."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    previous, count = _START, 0
    for row in _rows(tx):
        count += 1
        if (row.sequence, row.hash) != (count, _hash(previous, row.entry)):
            return Verdict(count, row.sequence)
        told = json.loads(row.entry)
        if (told["sequence"], told["event"], told["time"]) != (row.sequence, row.event, row.time):
            return Verdict(count, row.sequence)
        if row.sub not in (None, told.get("sub")) or not _fits(row.personal, told.get("personal")):
            return Verdict(count, row.sequence)
        previous = row.hash
    head = tx.execute(sa.select(AuditHeadRow.sequence, AuditHeadRow.hash)).one_or_none()
    whole = (count, previous) == ((head.sequence, head.hash) if head else (0, _START))
    return Verdict(count, None if whole else count + 1)


def _rows(tx: sa.Connection) -> Iterator[AnyRow]:
    after = -(2**63)
    while True:
        query = sa.select(AuditRow.__table__).where(AuditRow.sequence > after).order_by(AuditRow.sequence).limit(_PAGE)
        page = tx.execute(query).all()
        if not page:
            return
        yield from page
        after = page[-1].sequence


def _taken_apart(facts: dict[str, Any]) -> str | None:
    """Takes what can be forgotten out of an entry and leaves its digest there; the salt keeps anybody from guessing what it was."""
    personal = {name: facts.pop(name) for name in PERSONAL if name in facts}
    if not personal:
        return None
    text = json.dumps({**personal, "salt": secrets.token_urlsafe(16)}, sort_keys=True)
    facts["personal"] = _commitment(text)
    return text


def _fits(personal: str | None, committed: str | None) -> bool:
    """Whether this is what the entry told of the person; what was forgotten fits."""
    return personal is None or _commitment(personal) == committed


def _commitment(personal: str) -> str:
    return hashlib.sha256(personal.encode()).hexdigest()


def _event(row: AnyRow) -> Event:
    personal = json.loads(row.personal) if row.personal else {}
    hidden = {"sequence", "time", "event", "personal", "salt", "sub"}
    told = {**json.loads(row.entry), **personal}
    return Event(row.sequence, row.time, row.event, {name: told[name] for name in told if name not in hidden})


def _hash(previous: str, entry: str) -> str:
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()
