"""Another address for an account: both the new one and the one of before must say yes, each by a link that is good once and for a day.

An address that nobody proved has no say. One that somebody else has gets the same answer and never a link: nobody learns who has an account.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, upsert
from idp.users import store
from idp.users.accounts import TAKEN, Accounts, is_email
from idp.users.letters import Letters
from idp.users.links import LIVES, MailLinks, Purpose
from idp.users.models import EmailChangeRow
from idp.users.notices import Notice, Notices
from idp.users.people import Person
from idp.users.recovery import GONE

_MAX_USERNAME = 64
_COLUMNS = (
    EmailChangeRow.sub,
    EmailChangeRow.email,
    EmailChangeRow.old_email,
    EmailChangeRow.confirmed,
    EmailChangeRow.approved,
)
_LIVING = (EmailChangeRow.sub == sa.bindparam("owner"), EmailChangeRow.expires_at > sa.bindparam("now"))
_FIND = sa.select(*_COLUMNS).where(*_LIVING)
_AGREE = {
    Purpose.CONFIRM: sa.update(EmailChangeRow).where(*_LIVING).values(confirmed=True).returning(*_COLUMNS),
    Purpose.APPROVE: sa.update(EmailChangeRow).where(*_LIVING).values(approved=True).returning(*_COLUMNS),
}
_DELETE = sa.delete(EmailChangeRow).where(EmailChangeRow.sub == sa.bindparam("owner"))


@dataclass(frozen=True, slots=True)
class EmailChange:
    """Whose address changes, to which one, and which of the two said yes; one that need not be asked said yes."""

    person: Person
    email: str
    confirmed: bool
    approved: bool

    @property
    def done(self) -> bool:
        """Whether nobody is waited for any more."""
        return self.confirmed and self.approved


class EmailChanges:
    """Asks both addresses, and changes the account once both agreed."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        accounts: Accounts,
        links: MailLinks,
        letters: Letters,
        notices: Notices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._links = links
        self._letters = letters
        self._notices = notices

    def ask(self, sub: str, email: str) -> None:
        """Write to both addresses, in place of what was asked before; raises `Refused` for what can never be."""
        with self._database.write() as tx:
            self.ask_tx(tx, sub, email)

    def ask_tx(self, tx: sa.Connection, sub: str, email: str, *, provider: str | None = None) -> None:
        """As `ask`, within the caller's transaction, which a refusal must end; `provider` is the title of the one that named the address."""
        person = self._held(tx, sub)
        if person is None:
            raise Refused("gone", N_("you were signed out, or your account was changed"))
        _check(person, email)
        approved = not (person.email and person.email_verified)
        values = {"sub": sub, "email": email, "old_email": person.email, "confirmed": False, "approved": approved}
        until = self._clock.now() + LIVES[Purpose.CONFIRM]
        upsert(tx, EmailChangeRow, {**values, "expires_at": until}, key=("sub",))
        self._write_to_new(tx, person, email, provider)
        if not approved:
            self._write_to_old(tx, person, email)
        self._audit.append(tx, "email.change_asked", sub=sub)

    def waiting(self, person: Person) -> EmailChange | None:
        """The change of this person's address that waits, if there is one."""
        with self._database.read() as tx:
            row = tx.execute(_FIND, {"owner": person.sub, "now": self._clock.now()}).one_or_none()
        return _change(person, row)

    def find(self, purpose: Purpose, secret: str) -> EmailChange | None:
        """What this link would say yes to; looking at it does not use it."""
        with self._database.read() as tx:
            link = self._links.find(tx, purpose, secret)
            person = store.find(tx, link.sub) if link else None
        return self.waiting(person) if person and not person.is_shut_out else None

    def agree(self, purpose: Purpose, secret: str) -> EmailChange:
        """Say yes and use the link up; the second yes changes the address in the same transaction. Raises `Refused`."""
        found = self.find(purpose, secret)
        if found is None:
            raise GONE
        try:
            with self._database.write() as tx:
                return self._agreed(tx, purpose, secret, found.person.sub)
        except Refused as error:
            if (
                error.code == TAKEN.code
            ):  # since the letter went out; the change can come true no more, and why is told to nobody
                self.cancel(found.person.sub)
            raise GONE from error

    def refuse(self, secret: str) -> None:
        """Say no from the address of before: nothing changes. Raises `Refused`."""
        with self._database.write() as tx:
            link = self._links.use(tx, Purpose.APPROVE, secret)
            if link is None:
                raise GONE
            self.void(tx, link.sub)
            self._audit.append(tx, "email.change_refused", sub=link.sub)

    def cancel(self, sub: str) -> None:
        """Never mind."""
        with self._database.write() as tx:
            if self.void(tx, sub):
                self._audit.append(tx, "email.change_cancelled", sub=sub)

    @staticmethod
    def void(tx: sa.Connection, sub: str) -> bool:
        """Forget the change and its links; whether there was one."""
        MailLinks.void(tx, Purpose.CONFIRM, sub)
        MailLinks.void(tx, Purpose.APPROVE, sub)
        return tx.execute(_DELETE, {"owner": sub}).rowcount == 1

    @staticmethod
    def _held(tx: sa.Connection, sub: str) -> Person | None:
        """The person, whom nobody else changes before this transaction ends; None when they are gone or shut out."""
        store.has_password(tx, sub, hold=True)
        person = store.find(tx, sub)
        return None if person is None or person.is_shut_out else person

    def _write_to_new(self, tx: sa.Connection, person: Person, email: str, provider: str | None) -> None:
        """To whoever has an account with it in the way they wrote it themselves: what counts as the same may be another mailbox."""
        secret = self._links.make(tx, Purpose.CONFIRM, person.sub, email)
        owner = store.by_email(tx, email)
        if owner is None or owner.email is None or owner.sub == person.sub:
            self._letters.email_confirm(tx, email, person, secret)
        elif provider is None:
            self._letters.email_taken(tx, owner.email, owner)
        else:
            self._letters.email_elsewhere(tx, owner.email, owner, provider)

    def _write_to_old(self, tx: sa.Connection, person: Person, email: str) -> None:
        old = person.email or ""
        secret = self._links.make(tx, Purpose.APPROVE, person.sub, old)
        self._letters.email_approve(tx, old, person, email, secret)

    def _agreed(self, tx: sa.Connection, purpose: Purpose, secret: str, sub: str) -> EmailChange:
        person = self._held(tx, sub)
        used = self._links.use(tx, purpose, secret)
        row = tx.execute(_AGREE[purpose], {"owner": sub, "now": self._clock.now()}).one_or_none() if used else None
        change = _change(person, row) if person else None
        if change is None:
            raise GONE
        self._audit.append(tx, f"email.change_{'confirmed' if purpose is Purpose.CONFIRM else 'approved'}", sub=sub)
        if change.done:
            self._make(tx, change)
        return change

    def _make(self, tx: sa.Connection, change: EmailChange) -> None:
        """Change the address. What went to the one of before opens nothing any more, and it is told."""
        old, sub = change.person, change.person.sub
        self.void(tx, sub)
        MailLinks.void(tx, Purpose.RESET, sub)
        MailLinks.void(tx, Purpose.VERIFY, sub)
        called = {"username": change.email} if "@" in old.username else {}
        self._accounts.update_tx(tx, sub, email=change.email, email_verified=True, **called)
        self._audit.append(tx, "email.changed", sub=sub)
        self._notices.tell(tx, old, Notice.EMAIL_CHANGED, about=change.email)


def _check(person: Person, email: str) -> None:
    if not is_email(email):
        raise Refused("email", N_("this is not an e-mail address"))
    if email == person.email:
        raise Refused("email", N_("this is your address already"))
    if "@" in person.username and len(email) > _MAX_USERNAME:
        raise Refused(
            "email",
            i18n.gettext(
                "your address is your user name too, which has at most %(number)s characters", number=_MAX_USERNAME
            ),
        )


def _change(person: Person, row: AnyRow | None) -> EmailChange | None:
    """None, too, when the person got another address in another way meanwhile."""
    if row is None or row.old_email != person.email:
        return None
    return EmailChange(person, row.email, row.confirmed, row.approved)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget changes that nobody agreed to; returns how many."""
    over = sa.select(EmailChangeRow.sub).where(EmailChangeRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(EmailChangeRow).where(EmailChangeRow.sub.in_(over))).rowcount
