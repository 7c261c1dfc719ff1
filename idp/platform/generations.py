"""How caches follow the database: a number a topic, bumped with every change, polled once a second by every process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Generic, TypeVar

import sqlalchemy as sa

from idp.platform.db import Database, insert_or_ignore
from idp.platform.models import GenerationRow

_Value = TypeVar("_Value")
_Found = TypeVar("_Found")
_CURRENT = sa.select(GenerationRow.value).where(GenerationRow.name == sa.bindparam("topic"))


def bump(tx: sa.Connection, name: str) -> int:
    """Raise the generation in the transaction of the change; returns the new number, unique and in commit order."""
    raise_it = (
        sa.update(GenerationRow)
        .where(GenerationRow.name == name)
        .values(value=GenerationRow.value + 1)
        .returning(GenerationRow.value)
    )
    value = tx.execute(raise_it).scalar()
    if value is None:
        insert_or_ignore(tx, GenerationRow, {"name": name, "value": 0})
        value = tx.execute(raise_it).scalar_one()
    return int(value)


def current(tx: sa.Connection, name: str) -> int:
    """The generation as this transaction sees it; 0 before the first change."""
    return int(tx.execute(_CURRENT, {"topic": name}).scalar() or 0)


@dataclass(frozen=True, slots=True)
class _Snapshot(Generic[_Value]):
    """A value as of a generation; a higher `number` began to be read later."""

    number: int
    generation: int
    value: _Value


class Snapshots(Generic[_Value]):
    """What this process keeps of the database under a topic: `latest`, an immutable value. `read` makes it within a transaction.

    Requests and the watcher may take a new one at once: what began to be read earlier never takes the place of what began later.
    """

    def __init__(self, database: Database, topic: str, read: Callable[[sa.Connection], _Value], empty: _Value) -> None:
        self._database = database
        self._topic = topic
        self._read = read
        self._numbers = count(1)
        self._lock = Lock()
        self._kept = _Snapshot(0, 0, empty)

    @property
    def latest(self) -> _Value:
        """The value as of at most two seconds ago."""
        return self._kept.value

    def renew(self) -> _Value:
        """Read anew, and keep it; what was true when this was called is in it."""
        number = next(self._numbers)
        with self._database.read() as tx:
            generation = current(tx, self._topic)
            value = self._read(tx)
        with self._lock:
            if number > self._kept.number:
                self._kept = _Snapshot(number, generation, value)
        return value

    def find(self, look: Callable[[_Value], _Found | None]) -> _Found | None:
        """What `look` finds in the latest value or, since what it misses may be younger than the last poll, in a new one."""
        kept = self._kept
        found = look(kept.value)
        if found is None and self._is_outdated(kept):
            found = look(self.renew())
        return found

    def _is_outdated(self, kept: _Snapshot[_Value]) -> bool:
        """Asked of the snapshot that was looked into: another thread may have taken a new one since."""
        with self._database.read() as tx:
            return current(tx, self._topic) != kept.generation


class Watcher:
    """Calls back when a generation grew; `poll` does one round, once a second."""

    def __init__(self, database: Database, followers: Mapping[str, Callable[[], None]]) -> None:
        self._database = database
        self._followers = followers
        self._all = sa.select(GenerationRow.name, GenerationRow.value).where(GenerationRow.name.in_(list(followers)))
        self._seen: dict[str, int] = {}

    def poll(self) -> None:
        """Look once and call back for every generation that changed; a follower that fails is called again next time."""
        with self._database.read() as tx:
            current = {str(name): int(value) for name, value in tx.execute(self._all)}
        failed: Exception | None = None
        for name, value in current.items():
            if self._seen.get(name) != value:
                try:
                    self._followers[name]()
                except Exception as error:  # the others must not fall behind with it
                    failed = error
                else:
                    self._seen[name] = value
        if failed is not None:
            raise failed
