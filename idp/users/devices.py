"""Browsers in which a person logged in before: a random cookie, its digest stored per person."""

from __future__ import annotations

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import Database, upsert
from idp.platform.ids import digest
from idp.users.models import DeviceRow

_THIS = (DeviceRow.digest == sa.bindparam("device"), DeviceRow.sub == sa.bindparam("sub"))
_KNOWN = sa.select(DeviceRow.sub).where(*_THIS)
_ANYBODY = sa.select(DeviceRow.sub).where(DeviceRow.digest == sa.bindparam("device")).limit(1)
_TRUSTED = sa.select(DeviceRow.sub).where(*_THIS, DeviceRow.trusted_until > sa.bindparam("now"))
_SEEN = (
    sa.update(DeviceRow)
    .where(DeviceRow.digest == sa.bindparam("this"), DeviceRow.sub == sa.bindparam("person"))
    .values(seen_at=sa.bindparam("now"))
)
_TRUST = (
    sa.update(DeviceRow)
    .where(DeviceRow.digest == sa.bindparam("this"), DeviceRow.sub == sa.bindparam("person"))
    .values(trusted_until=sa.bindparam("until"))
)


class Devices:
    """Remembers and recognises."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remember(self, tx: sa.Connection, device: str, sub: str) -> bool:
        """This person logged in in this browser; returns whether they did before."""
        this, now = digest(device), self._clock.now()
        if tx.execute(_SEEN, {"this": this, "person": sub, "now": now}).rowcount:
            return True
        upsert(tx, DeviceRow, {"digest": this, "sub": sub, "seen_at": now}, key=("digest", "sub"))
        return False

    def knows(self, device: str | None, sub: str) -> bool:
        """Whether this person logged in in this browser before."""
        if not device:
            return False
        with self._database.read() as tx:
            return tx.execute(_KNOWN, {"device": digest(device), "sub": sub}).scalar() is not None

    def is_known(self, device: str) -> bool:
        """Whether anybody logged in in this browser before."""
        with self._database.read() as tx:
            return tx.execute(_ANYBODY, {"device": digest(device)}).scalar() is not None

    @staticmethod
    def of(tx: sa.Connection, sub: str) -> list[dict[str, int | None]]:
        """When each browser of a person was seen last, and until when it is trusted."""
        rows = tx.execute(sa.select(DeviceRow.__table__).where(DeviceRow.sub == sub).order_by(DeviceRow.seen_at.desc()))
        return [{"seen_at": row.seen_at, "trusted_until": row.trusted_until} for row in rows]

    def trust(self, tx: sa.Connection, device: str, sub: str, seconds: int) -> None:
        """Ask for no second factor in this browser for so long; whoever is remembered can be trusted."""
        tx.execute(_TRUST, {"this": digest(device), "person": sub, "until": self._clock.now() + seconds})

    def trusts(self, tx: sa.Connection, device: str | None, sub: str) -> bool:
        """Whether the person asked not to be asked for a second factor in this browser."""
        if not device:
            return False
        named = {"device": digest(device), "sub": sub, "now": self._clock.now()}
        return tx.execute(_TRUSTED, named).scalar() is not None

    @staticmethod
    def forget_trust(tx: sa.Connection, sub: str) -> None:
        """Ask for the second factor in every browser again."""
        tx.execute(sa.update(DeviceRow).where(DeviceRow.sub == sub).values(trusted_until=None))
