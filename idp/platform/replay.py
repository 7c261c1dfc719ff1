"""What may be seen once: keys that the first to come burns, whatever the number of threads, workers and nodes.

In the database it is one insert that a unique key lets through once. A store that is away cannot know, so it fails closed: `Unavailable`.
"""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from idp.platform.db import Database, insert_or_ignore
from idp.platform.models import ReplayRow


class Replays(Protocol):
    """Where burned keys are kept. Keys are digests; `until` is when, in epoch seconds, a key may be forgotten."""

    def burn(self, key: str, *, now: int, until: int) -> bool:
        """Whether this is the first time; of any number at once exactly one is told so. Raises `Unavailable`."""
        ...

    def fault(self) -> str | None:
        """Why a key might be burned twice, for the operator; None: it cannot."""
        ...


class DatabaseReplays:
    """Keys in the table `replays`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def burn(self, key: str, *, now: int, until: int) -> bool:
        with self._database.write() as tx:
            return insert_or_ignore(tx, ReplayRow, {"key": key, "until": until})

    def fault(self) -> str | None:
        return None


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget keys whose time is over; returns how many."""
    over = sa.select(ReplayRow.key).where(ReplayRow.until < now).limit(limit)
    return tx.execute(sa.delete(ReplayRow).where(ReplayRow.key.in_(over))).rowcount
