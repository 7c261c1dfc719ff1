"""Links that go out by mail: 256 random bits whose digest is stored, for one purpose, one person and one address, good once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.ids import digest, new_secret
from idp.users.models import MailLinkRow

_LIVING = (
    MailLinkRow.digest == sa.bindparam("presented"),
    MailLinkRow.purpose == sa.bindparam("wanted"),
    MailLinkRow.expires_at > sa.bindparam("now"),
)
_COLUMNS = (MailLinkRow.sub, MailLinkRow.email)
_INSERT = sa.insert(MailLinkRow)
_FIND = sa.select(*_COLUMNS).where(*_LIVING)
_USE = sa.delete(MailLinkRow).where(*_LIVING).returning(*_COLUMNS)


class Purpose(StrEnum):
    """What a link is for."""

    RESET = "reset"
    VERIFY = "verify"
    CONFIRM = "email-confirm"
    """To show that the address one wants to change to is one's own."""
    APPROVE = "email-approve"
    """To agree, from the address of before, that it is changed."""


LIVES = {Purpose.RESET: 900, Purpose.VERIFY: 86400, Purpose.CONFIRM: 86400, Purpose.APPROVE: 86400}
"""How long a link is good, in seconds."""


@dataclass(frozen=True, slots=True)
class MailLink:
    """Whom a link was made for, and the address it went to."""

    sub: str
    email: str


class MailLinks:
    """Makes, finds and uses links."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def make(self, tx: sa.Connection, purpose: Purpose, sub: str, email: str) -> str:
        """A new link's secret; earlier ones of the same purpose are void."""
        self.void(tx, purpose, sub)
        secret = new_secret()
        until = self._clock.now() + LIVES[purpose]
        values = {"digest": digest(secret), "purpose": purpose, "sub": sub, "email": email, "expires_at": until}
        tx.execute(_INSERT, values)
        return secret

    def find(self, tx: sa.Connection, purpose: Purpose, secret: str) -> MailLink | None:
        """The link, as long as it is good; looking at it does not use it: mail programs look at links too."""
        row = tx.execute(_FIND, self._named(purpose, secret)).one_or_none()
        return None if row is None else MailLink(row.sub, row.email)

    def use(self, tx: sa.Connection, purpose: Purpose, secret: str) -> MailLink | None:
        """Use the link up; of any number at once exactly one gets it."""
        row = tx.execute(_USE, self._named(purpose, secret)).one_or_none()
        return None if row is None else MailLink(row.sub, row.email)

    @staticmethod
    def void(tx: sa.Connection, purpose: Purpose, sub: str) -> None:
        """Make every link of this purpose worthless."""
        tx.execute(sa.delete(MailLinkRow).where(MailLinkRow.sub == sub, MailLinkRow.purpose == purpose))

    def _named(self, purpose: Purpose, secret: str) -> dict[str, str | int]:
        return {"presented": digest(secret), "wanted": purpose, "now": self._clock.now()}


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget links nobody followed; returns how many."""
    over = sa.select(MailLinkRow.digest).where(MailLinkRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(MailLinkRow).where(MailLinkRow.digest.in_(over))).rowcount
