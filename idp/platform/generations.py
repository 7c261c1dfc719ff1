"""How caches follow the database: a number a topic, bumped with every change, polled once a second by every process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from idp.platform.db import Database, insert_or_ignore
from idp.platform.models import GenerationRow

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
