"""Exactly one effect of each message: the row that says a message was taken commits with what it does.

`table` is a service's model of `InboxColumns` or `PositionColumns`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import sqlalchemy as sa

from resource_server.platform.store import insert_or_ignore

KEEP_SECONDS = 30 * 86400.0


class Verdict(Enum):
    """What to do with a message of a sequence."""

    NEXT = "next"
    OLD = "old"
    """It was taken, or something later was: drop it."""
    EARLY = "early"
    """Messages before it are missing: let it come again."""


def take(tx: sa.Connection, table: Any, consumer: str, message: str, now: float) -> bool:
    """Take a message within the transaction of its effect; False when it had its effect before."""
    return insert_or_ignore(tx, table, {"consumer": consumer, "message": message, "taken_at": now})


def take_in_order(tx: sa.Connection, table: Any, consumer: str, aggregate: str, sequence: int) -> Verdict:
    """Take message number `sequence`, counted from 1, of an aggregate within the transaction of its effect."""
    of = {"consumer": consumer, "aggregate": aggregate}
    insert_or_ignore(tx, table, {**of, "sequence": 0})
    mine = (table.consumer == consumer, table.aggregate == aggregate)
    advance = sa.update(table).where(*mine, table.sequence == sequence - 1).values(sequence=sequence)
    if tx.execute(advance).rowcount:
        return Verdict.NEXT
    reached: int = tx.execute(sa.select(table.sequence).where(*mine)).scalar_one()
    return Verdict.OLD if reached >= sequence else Verdict.EARLY


def prune(tx: sa.Connection, table: Any, now: float, limit: int) -> int:
    """Forget messages no sender repeats any more; returns how many."""
    over = sa.select(table.consumer, table.message).where(table.taken_at < now - KEEP_SECONDS).limit(limit)
    return tx.execute(sa.delete(table).where(sa.tuple_(table.consumer, table.message).in_(over))).rowcount
