"""Browsers in which a person logged in before: a random cookie, its digest stored per person."""

from __future__ import annotations

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import Database, upsert
from idp.platform.ids import digest
from idp.users.models import DeviceRow

_KNOWN = sa.select(DeviceRow.sub).where(
    DeviceRow.digest == sa.bindparam("device"), DeviceRow.sub == sa.bindparam("sub")
)


class Devices:
    """Remembers and recognises."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remember(self, tx: sa.Connection, device: str, sub: str) -> None:
        """This person logged in in this browser."""
        values = {"digest": digest(device), "sub": sub, "seen_at": self._clock.now()}
        upsert(tx, DeviceRow, values, key=("digest", "sub"))

    def knows(self, device: str | None, sub: str) -> bool:
        """Whether this person logged in in this browser before."""
        if not device:
            return False
        with self._database.read() as tx:
            return tx.execute(_KNOWN, {"device": digest(device), "sub": sub}).scalar() is not None
