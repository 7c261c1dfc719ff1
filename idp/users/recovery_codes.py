"""Recovery codes: ten, shown once, stored as keyed digests, each good once; for the day the phone is gone."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.secrets import MasterKey
from idp.users.models import RecoveryCodeRow

COUNT = 10
_BYTES = 10
_USE = (
    sa.update(RecoveryCodeRow)
    .where(
        RecoveryCodeRow.sub == sa.bindparam("person"),
        RecoveryCodeRow.digest == sa.bindparam("presented"),
        RecoveryCodeRow.used_at.is_(None),
    )
    .values(used_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """Makes, uses and counts."""

    master: MasterKey
    clock: Clock

    def renew(self, tx: sa.Connection, sub: str) -> list[str]:
        """Ten new codes of 80 random bits in place of all earlier ones, as they are shown: in four groups."""
        self.remove(tx, sub)
        codes = [_new() for _ in range(COUNT)]
        rows = [{"sub": sub, "digest": self._digest(sub, code), "used_at": None} for code in codes]
        tx.execute(sa.insert(RecoveryCodeRow), rows)
        return codes

    def use(self, tx: sa.Connection, sub: str, code: str) -> bool:
        """Use a code up, however it is spaced; of any number at once exactly one is told so."""
        named = {"person": sub, "presented": self._digest(sub, code), "now": self.clock.now()}
        return tx.execute(_USE, named).rowcount == 1

    @staticmethod
    def left(tx: sa.Connection, sub: str) -> int:
        """How many are unused."""
        unused = (RecoveryCodeRow.sub == sub, RecoveryCodeRow.used_at.is_(None))
        return tx.execute(sa.select(sa.func.count()).select_from(RecoveryCodeRow).where(*unused)).scalar() or 0

    @staticmethod
    def remove(tx: sa.Connection, sub: str) -> None:
        tx.execute(sa.delete(RecoveryCodeRow).where(RecoveryCodeRow.sub == sub))

    def _digest(self, sub: str, code: str) -> str:
        bare = "".join(char for char in code.lower() if char.isalnum())
        return self.master.tag(f"{sub}|{bare}", purpose="recovery-codes")


def _new() -> str:
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode("ascii").lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
