"""Passkeys of people: what is kept of each (WebAuthn Level 3 §4, credential record), and its life from the first use to its removal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.db import AnyRow, insert_or_ignore
from idp.platform.ids import new_id
from idp.users.models import PasskeyRow

MOST = 20
MAX_NAME = 64
_COLUMNS = (
    PasskeyRow.id,
    PasskeyRow.sub,
    PasskeyRow.credential,
    PasskeyRow.public_key,
    PasskeyRow.sign_count,
    PasskeyRow.aaguid,
    PasskeyRow.transports,
    PasskeyRow.backup_eligible,
    PasskeyRow.backed_up,
    PasskeyRow.name,
    PasskeyRow.created_at,
    PasskeyRow.used_at,
)
_BY_CREDENTIAL = sa.select(*_COLUMNS).where(PasskeyRow.digest == sa.bindparam("presented"))
_OF = sa.select(*_COLUMNS).where(PasskeyRow.sub == sa.bindparam("sub")).order_by(PasskeyRow.id)
_ANY = sa.select(PasskeyRow.id).where(PasskeyRow.sub == sa.bindparam("sub")).limit(1)
_USED = (
    sa.update(PasskeyRow)
    .where(
        PasskeyRow.id == sa.bindparam("passkey"),
        sa.or_(
            PasskeyRow.sign_count < sa.bindparam("count"),
            sa.and_(PasskeyRow.sign_count == 0, sa.bindparam("count") == 0),
        ),
    )
    .values(sign_count=sa.bindparam("count"), backed_up=sa.bindparam("copied"), used_at=sa.bindparam("now"))
)
_NAMED = {
    "08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
    "50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
    "531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
    "53414d53-554e-4700-0000-000000000000": "Samsung Pass",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
    "adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
    "b5397666-4885-aa6b-cebf-e52262a439a2": "Chromium",
    "bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
    "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
    "dd4ec289-e01d-41c9-bb89-70fa845d4bf2": "iCloud Keychain",
    "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
    "fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain",
    "fdb141b2-5d84-443e-8a35-4698c205a502": "KeePassXC",
}
"""What keeps the passkey, by its AAGUID, where many people have one."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator says of a passkey it has just made. `backup_eligible`: it may be copied to other devices; `backed_up`: it is."""

    credential: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Passkey(NewPasskey):
    """A passkey that is kept for a person. Times are epoch seconds; `used_at` is None before the first use."""

    id: str
    sub: str
    name: str
    created_at: int
    used_at: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What an authenticator says when a passkey is used."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool
    verified: bool


class Passkeys:
    """Keeps, finds, renames and removes. Where passkeys cannot be used (`on` is false) nobody has one."""

    def __init__(self, clock: Clock, *, on: bool) -> None:
        self._clock = clock
        self.on = on

    def has(self, tx: sa.Connection, sub: str) -> bool:
        """Whether this person can sign in with a passkey."""
        return self.on and tx.execute(_ANY, {"sub": sub}).first() is not None

    def of(self, tx: sa.Connection, sub: str) -> list[Passkey]:
        """All of a person, the oldest first."""
        return [_passkey(row) for row in tx.execute(_OF, {"sub": sub})] if self.on else []

    def find(self, tx: sa.Connection, credential: bytes) -> Passkey | None:
        """The passkey with this credential id, whoever's it is."""
        row = tx.execute(_BY_CREDENTIAL, {"presented": _digest(credential)}).one_or_none()
        return None if row is None or not self.on else _passkey(row)

    def add(self, tx: sa.Connection, sub: str, new: NewPasskey, name: str) -> str:
        """Keep a new passkey; returns its name. Raises `Refused` when it is kept already, or the person has as many as we keep."""
        there = self.of(tx, sub)
        name = _tidy(name) or _default_name(new.aaguid, {one.name for one in there})
        if len(there) >= MOST:
            raise Refused("many", i18n.gettext("you have %(number)s passkeys: remove one first", number=MOST))
        values = {
            "id": new_id(self._clock.precise()),
            "digest": _digest(new.credential),
            "sub": sub,
            "credential": new.credential,
            "public_key": new.public_key,
            "sign_count": new.sign_count,
            "aaguid": new.aaguid,
            "transports": list(new.transports),
            "backup_eligible": new.backup_eligible,
            "backed_up": new.backed_up,
            "name": name,
            "created_at": self._clock.now(),
            "used_at": None,
        }
        if not insert_or_ignore(tx, PasskeyRow, values):
            raise Refused("exists", N_("this passkey is in use already"))
        return name

    def used(self, tx: sa.Connection, passkey: Passkey, seen: Seen) -> bool:
        """Note a use; False when the passkey is gone, or its counter was seen as high by another login meanwhile."""
        named = {
            "passkey": passkey.id,
            "count": seen.sign_count,
            "copied": seen.backed_up,
            "now": self._clock.now(),
        }
        return tx.execute(_USED, named).rowcount == 1

    @staticmethod
    def rename(tx: sa.Connection, sub: str, passkey: str, name: str) -> bool:
        """Call it something else; False when there is no such passkey, or nothing is left of the name."""
        mine = (PasskeyRow.id == passkey, PasskeyRow.sub == sub)
        tidy = _tidy(name)
        return bool(tidy) and tx.execute(sa.update(PasskeyRow).where(*mine).values(name=tidy)).rowcount == 1

    @staticmethod
    def remove(tx: sa.Connection, sub: str, passkey: str) -> str | None:
        """Forget one; returns its name, None when there is no such passkey."""
        mine = (PasskeyRow.id == passkey, PasskeyRow.sub == sub)
        name: str | None = tx.execute(sa.delete(PasskeyRow).where(*mine).returning(PasskeyRow.name)).scalar()
        return name

    @staticmethod
    def remove_all(tx: sa.Connection, sub: str) -> None:
        tx.execute(sa.delete(PasskeyRow).where(PasskeyRow.sub == sub))


def went_back(passkey: Passkey, seen: Seen) -> bool:
    """Whether the counter is not higher than the last one: perhaps somebody copied the passkey (WebAuthn Level 3 §6.1.1)."""
    return (seen.sign_count or passkey.sign_count) > 0 and seen.sign_count <= passkey.sign_count


def _default_name(aaguid: str, taken: set[str]) -> str:
    name = _NAMED.get(aaguid, "Passkey")
    numbered = (f"{name} {number}" for number in range(2, MOST + 2))
    return next(one for one in (name, *numbered) if one not in taken)


def _tidy(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()[:MAX_NAME].strip()


def _digest(credential: bytes) -> str:
    return hashlib.sha256(credential).hexdigest()


def _passkey(row: AnyRow) -> Passkey:
    return Passkey(
        credential=row.credential,
        public_key=row.public_key,
        sign_count=row.sign_count,
        aaguid=row.aaguid,
        transports=tuple(row.transports),
        backup_eligible=row.backup_eligible,
        backed_up=row.backed_up,
        id=row.id,
        sub=row.sub,
        name=row.name,
        created_at=row.created_at,
        used_at=row.used_at,
    )
