"""Invitations: an operator asks an address to make an account, by a link that is good once and for three days.

Whoever follows it has shown that the address is theirs, and gets the roles that the operator named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, upsert
from idp.platform.ids import digest, new_id, new_secret
from idp.users import store
from idp.users.accounts import Accounts
from idp.users.letters import Letters
from idp.users.models import InvitationRow
from idp.users.people import Person

_COLUMNS = (
    InvitationRow.id,
    InvitationRow.email,
    InvitationRow.roles,
    InvitationRow.created_at,
    InvitationRow.expires_at,
)
_LIVING = InvitationRow.expires_at > sa.bindparam("now")
_FIND = sa.select(*_COLUMNS).where(InvitationRow.digest == sa.bindparam("presented"), _LIVING)
_FOR = sa.select(*_COLUMNS).where(InvitationRow.email_key == sa.bindparam("key"), _LIVING)
_USE = sa.delete(InvitationRow).where(InvitationRow.id == sa.bindparam("used"), _LIVING)
_LIST = sa.select(*_COLUMNS).where(_LIVING).order_by(InvitationRow.id)
_WITHDRAW = (
    sa.delete(InvitationRow)
    .where(sa.or_(InvitationRow.id == sa.bindparam("named"), InvitationRow.email_key == sa.bindparam("key")))
    .returning(*_COLUMNS)
)
GONE = Refused("invitation", N_("this invitation has expired, was used already, or was withdrawn"))


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who is invited, and the roles they will have; it ends at `expires_at` (epoch seconds)."""

    id: str
    email: str
    roles: tuple[str, ...]
    created_at: int
    expires_at: int

    def document(self) -> dict[str, Any]:
        """What is known, as JSON."""
        return {**asdict(self), "roles": list(self.roles)}


class Invitations:
    """Sends, lists, withdraws and believes them, each good for `life` seconds; only digests are kept."""

    def __init__(
        self, database: Database, clock: Clock, audit: Audit, accounts: Accounts, letters: Letters, *, life: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._letters = letters
        self._life = life

    def send(self, email: str, roles: Sequence[str] = ()) -> tuple[Invitation, str]:
        """Invite an address, in place of an earlier invitation of it; the second value is the link, this once."""
        wanted = self._accounts.draft(username="invited", email=email, roles=roles)
        now, secret = self._clock.now(), new_secret()
        made = Invitation(new_id(self._clock.precise()), email, wanted.roles, now, now + self._life)
        with self._database.write() as tx:
            if store.by_email(tx, email) is not None:
                raise Refused("taken", "somebody has an account with this address already")
            values = {**made.document(), "digest": digest(secret), "email_key": store.email_key(email)}
            upsert(tx, InvitationRow, values, key=("email_key",))
            link = self._letters.invitation(tx, email, secret, self._life)
            self._audit.append(tx, "invitation.sent", invitation=made.id)
        return made, link

    def list(self) -> list[Invitation]:
        """Every invitation that can be used, oldest first."""
        with self._database.read() as tx:
            return [_invitation(row) for row in tx.execute(_LIST, {"now": self._clock.now()})]

    def withdraw(self, name: str) -> Invitation:
        """Take back an invitation, by its id or its address; raises `Refused`."""
        with self._database.write() as tx:
            row = tx.execute(_WITHDRAW, {"named": name, "key": store.email_key(name)}).one_or_none()
            if row is None:
                raise Refused("unknown", "there is no such invitation")
            self._audit.append(tx, "invitation.withdrawn", invitation=row.id)
        return _invitation(row)

    def find(self, secret: str) -> Invitation | None:
        """The invitation, as long as it is good; looking at it does not use it."""
        with self._database.read() as tx:
            row = tx.execute(_FIND, {"presented": digest(secret), "now": self._clock.now()}).one_or_none()
        return None if row is None else _invitation(row)

    def of(self, email: str) -> Invitation | None:
        """The invitation of an address, for who proved in another way than by its link that it is theirs."""
        with self._database.read() as tx:
            row = tx.execute(_FOR, {"key": store.email_key(email), "now": self._clock.now()}).one_or_none()
        return None if row is None else _invitation(row)

    def use(self, tx: sa.Connection, invitation: Invitation, person: Person) -> None:
        """Use it up with the account that is made of it; of any number at once one is let through, the others raise `Refused`."""
        if tx.execute(_USE, {"used": invitation.id, "now": self._clock.now()}).rowcount != 1:
            raise GONE
        self._audit.append(tx, "invitation.used", invitation=invitation.id, sub=person.sub)


def _invitation(row: AnyRow) -> Invitation:
    return Invitation(row.id, row.email, tuple(row.roles), row.created_at, row.expires_at)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget invitations nobody followed; returns how many."""
    over = sa.select(InvitationRow.id).where(InvitationRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(InvitationRow).where(InvitationRow.id.in_(over))).rowcount
