"""The audit trail: append-only rows in one hash chain a database, written in the transaction of what they tell of.

Whoever changes, removes or reorders a row breaks every hash after it; `verify` says where. The row of the chain's head is locked last, so
a transaction appends after all its other writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many rows were checked, and the first sequence where the chain is broken."""

    count: int
    broken_at: int | None


class Audit:
    """Appends and verifies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def append(
        self, tx: sa.Connection, event: str, *, outcome: str = "success", session: str | None = None, **detail: Any
    ) -> None:
        """Add one row: what happened, to whom, by whom. A session id goes in as a digest; never hand in a secret."""
        facts = {"outcome": outcome, "session": session and digest(session)[:16], **detail}
        self._link(tx, event, {name: value for name, value in facts.items() if value is not None})

    def _link(self, tx: sa.Connection, event: str, facts: dict[str, Any]) -> None:
        sequence, previous = self._next(tx)
        time = self._clock.now()
        entry = json.dumps({"sequence": sequence, "time": time, "event": event, **facts}, sort_keys=True)
        linked = _hash(previous, entry)
        row = {"sequence": sequence, "time": time, "event": event, "entry": entry, "hash": linked}
        tx.execute(_INSERT, row)
        tx.execute(_LINK, {"linked": linked})

    def _next(self, tx: sa.Connection) -> tuple[int, str]:
        head = tx.execute(_STEP).one_or_none()
        if head is None:
            insert_or_ignore(tx, AuditHeadRow, {"id": 1, "sequence": 0, "hash": _START})
            head = tx.execute(_STEP).one()
        return int(head.sequence), str(head.hash)


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


def _hash(previous: str, entry: str) -> str:
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()
