"""Browsers in which a person logged in before: a random cookie, its digest stored per person."""

from __future__ import annotations

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import Database, upsert
from idp.platform.ids import digest
from idp.users.models import DeviceRow


class Devices:
    """Remembers and recognises."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remember(self, device: str, sub: str) -> None:
        """This person logged in in this browser."""
        values = {"digest": digest(device), "sub": sub, "seen_at": self._clock.now()}
        with self._database.write() as tx:
            upsert(tx, DeviceRow, values, key=("digest", "sub"))

    def knows(self, device: str | None, sub: str) -> bool:
        """Whether this person logged in in this browser before."""
        if not device:
            return False
        query = sa.select(DeviceRow.sub).where(DeviceRow.digest == digest(device), DeviceRow.sub == sub)
        with self._database.read() as tx:
            return tx.execute(query).scalar() is not None
