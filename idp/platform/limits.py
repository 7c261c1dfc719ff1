"""How often something may happen: counters in fixed windows, atomic, in the database or in Redis.

Counting is one statement, so parallel attempts cannot slip past a limit. When Redis is away limits fail open and say so in the log; when
the database is away the request fails anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import TooManyRequests
from idp.platform.db import Database, insert_or_ignore
from idp.platform.models import CounterRow
from idp.platform.secrets import MasterKey

_PEEK = sa.select(CounterRow.count, CounterRow.resets_at).where(
    CounterRow.key == sa.bindparam("name"), CounterRow.resets_at > sa.bindparam("now")
)
_OVER = CounterRow.resets_at <= sa.bindparam("now")
_ADD = (
    sa.update(CounterRow)
    .where(CounterRow.key == sa.bindparam("name"))
    .values(
        count=sa.case((_OVER, 1), else_=CounterRow.count + 1),
        resets_at=sa.case((_OVER, sa.bindparam("until")), else_=CounterRow.resets_at),
    )
    .returning(CounterRow.count, CounterRow.resets_at)
)


class Counters(Protocol):
    """Where counts are kept. Keys are opaque; times are whole seconds."""

    def add(self, key: str, now: int, window: int) -> tuple[int, int]:
        """Count; returns the count in this window and when the window ends."""
        ...

    def peek(self, key: str, now: int) -> tuple[int, int]:
        """The count in this window and when it ends; (0, 0) when nothing was counted."""
        ...


class DatabaseCounters:
    """Counters in the table `counters`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: str, now: int, window: int) -> tuple[int, int]:
        with self._database.write(durable=False) as tx:
            named = {"name": key, "now": now, "until": now + window}
            row = tx.execute(_ADD, named).one_or_none()
            if row is None:
                insert_or_ignore(tx, CounterRow, {"key": key, "count": 0, "resets_at": now + window})
                row = tx.execute(_ADD, named).one()
        return int(row[0]), int(row[1])

    def peek(self, key: str, now: int) -> tuple[int, int]:
        with self._database.read() as tx:
            row = tx.execute(_PEEK, {"name": key, "now": now}).one_or_none()
        return (int(row[0]), int(row[1])) if row else (0, 0)


class Limits:
    """Named limits over any counters; keys are stored as keyed hashes, never in clear."""

    def __init__(self, counters: Counters, master: MasterKey, clock: Clock) -> None:
        self._counters = counters
        self._master = master
        self._clock = clock
        self._changed: Mapping[str, int] = {}

    def change(self, most: Mapping[str, int]) -> None:
        """From now on these count, by the names of limits, instead of what is asked for."""
        self._changed = most

    def take(self, name: str, key: str, *, limit: int, window: int) -> None:
        """Count one attempt; raises `TooManyRequests` when it is one too many."""
        now = self._clock.now()
        count, resets_at = self._counters.add(self._hashed(name, key), now, window)
        if count > self._changed.get(name, limit):
            raise TooManyRequests(resets_at - now)

    def hit(self, name: str, key: str, *, window: int) -> int:
        """Count one and return the count."""
        return self._counters.add(self._hashed(name, key), self._clock.now(), window)[0]

    def check(self, name: str, key: str, *, limit: int) -> None:
        """Raise `TooManyRequests` when the limit is already reached; counts nothing."""
        now = self._clock.now()
        count, resets_at = self._counters.peek(self._hashed(name, key), now)
        if count >= self._changed.get(name, limit):
            raise TooManyRequests(resets_at - now)

    def _hashed(self, name: str, key: str) -> str:
        return self._master.tag(f"{name}|{key}", purpose="limits")


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove counters whose window is over; returns how many."""
    over = sa.select(CounterRow.key).where(CounterRow.resets_at <= now).limit(limit)
    return tx.execute(sa.delete(CounterRow).where(CounterRow.key.in_(over))).rowcount
