"""Linked accounts: which account at a provider opens which account here. Only (provider, subject) counts, never an address."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import AnyRow, insert_or_ignore
from idp.platform.ids import new_id
from idp.upstream.identity import Identity
from idp.upstream.models import LinkedAccountRow, UpstreamProviderRow

_ALL = sa.select(LinkedAccountRow.__table__)
_THERE = (
    LinkedAccountRow.provider == sa.bindparam("there"),
    LinkedAccountRow.subject == sa.bindparam("known_as"),
)
_FIND = sa.select(LinkedAccountRow.sub).where(*_THERE)
_USED = (
    sa.update(LinkedAccountRow)
    .where(*_THERE, LinkedAccountRow.sub == sa.bindparam("owner"))
    .values(used_at=sa.bindparam("now"), name=sa.bindparam("called"), email=sa.bindparam("address"))
)
_TAKE = sa.delete(LinkedAccountRow).where(*_THERE, LinkedAccountRow.sub == sa.bindparam("owner"))
_OF = _ALL.where(LinkedAccountRow.sub == sa.bindparam("owner")).order_by(LinkedAccountRow.id)
_USABLE = (
    sa.select(LinkedAccountRow.id)
    .join(UpstreamProviderRow, UpstreamProviderRow.name == LinkedAccountRow.provider)
    .where(LinkedAccountRow.sub == sa.bindparam("owner"), UpstreamProviderRow.disabled.is_(False))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """One link as its owner sees it. Times are epoch seconds; `used_at` is None before the first login with it."""

    id: str
    provider: str
    name: str | None
    email: str | None
    created_at: int
    used_at: int | None
    subject: str


class LinkedAccounts:
    """Links, finds and unlinks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @staticmethod
    def owner(tx: sa.Connection, identity: Identity) -> str | None:
        """Whose account here it opens."""
        owner: str | None = tx.execute(_FIND, {"there": identity.provider, "known_as": identity.subject}).scalar()
        return owner

    @staticmethod
    def has(tx: sa.Connection, sub: str) -> bool:
        """Whether the person can sign in with one: its provider is there and switched on."""
        return tx.execute(_USABLE, {"owner": sub}).first() is not None

    @staticmethod
    def of(tx: sa.Connection, sub: str) -> list[LinkedAccount]:
        """All of a person, the oldest first."""
        return [_linked(row) for row in tx.execute(_OF, {"owner": sub})]

    def add(self, tx: sa.Connection, sub: str, identity: Identity) -> bool:
        """Link; False when it is linked already, with whomever."""
        values = {
            "provider": identity.provider,
            "subject": identity.subject,
            "id": new_id(self._clock.precise()),
            "sub": sub,
            "name": identity.display,
            "email": identity.email,
            "created_at": self._clock.now(),
            "used_at": None,
        }
        return insert_or_ignore(tx, LinkedAccountRow, values)

    def used(self, tx: sa.Connection, sub: str, identity: Identity) -> bool:
        """Note a login and what they are called there now; False when the link is gone."""
        named = {
            "there": identity.provider,
            "known_as": identity.subject,
            "owner": sub,
            "now": self._clock.now(),
            "called": identity.display,
            "address": identity.email,
        }
        return tx.execute(_USED, named).rowcount == 1

    @staticmethod
    def take(tx: sa.Connection, sub: str, identity: Identity) -> bool:
        """Unlink this identity from a person; whether it was linked with them."""
        return tx.execute(_TAKE, {"there": identity.provider, "known_as": identity.subject, "owner": sub}).rowcount == 1

    @staticmethod
    def remove(tx: sa.Connection, sub: str, link: str) -> str | None:
        """Unlink one; returns its provider, or None when there is no such link."""
        mine = (LinkedAccountRow.id == link, LinkedAccountRow.sub == sub)
        provider: str | None = tx.execute(
            sa.delete(LinkedAccountRow).where(*mine).returning(LinkedAccountRow.provider)
        ).scalar()
        return provider

    @staticmethod
    def remove_all(tx: sa.Connection, sub: str) -> None:
        tx.execute(sa.delete(LinkedAccountRow).where(LinkedAccountRow.sub == sub))


def _linked(row: AnyRow) -> LinkedAccount:
    return LinkedAccount(row.id, row.provider, row.name, row.email, row.created_at, row.used_at, row.subject)
