"""Notices: what a person is told by mail when something about the safety of their account changed.

A notice is a job of the transaction that makes the change: it goes out if and only if the change is made, sealed and retried like every mail.
Whoever has no address is told nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from idp.clock import Clock
from idp.users.letters import Letters
from idp.users.people import Person


class Notice(StrEnum):
    """What happened. The value is the name of its sentences in `mail/notice.*`."""

    NEW_BROWSER = "new_browser"
    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_COPIED = "passkey_copied"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    PASSWORD_REMOVED = "password_removed"  # noqa: S105 - the name of a notice
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_LINKED = "account_linked"
    ACCOUNT_UNLINKED = "account_unlinked"


_SUBJECTS = {
    Notice.NEW_BROWSER: "new sign-in to your account",
    Notice.APP_ADDED: "an authenticator app was added",
    Notice.APP_REMOVED: "your authenticator app was removed",
    Notice.PASSKEY_ADDED: "a passkey was added",
    Notice.PASSKEY_REMOVED: "a passkey was removed",
    Notice.PASSKEY_COPIED: "look at your passkeys",
    Notice.RECOVERY_CODE_USED: "a recovery code was used",
    Notice.RECOVERY_CODES_RENEWED: "new recovery codes were made",
    Notice.PASSWORD_REMOVED: "your password was removed",
    Notice.EMAIL_CHANGED: "your e-mail address was changed",
    Notice.ACCOUNT_LINKED: "another way to sign in was added",
    Notice.ACCOUNT_UNLINKED: "a way to sign in was removed",
}


@dataclass(frozen=True, slots=True)
class Notices:
    """Tells people."""

    letters: Letters
    clock: Clock

    def tell(
        self, tx: sa.Connection, person: Person, what: Notice, *, to: str | None = None, about: str | None = None
    ) -> None:
        """Queue a notice with this transaction, to the person's address or `to`. `about` is which one: a passkey's name, an address, a provider."""
        address = to or person.email
        if address is not None:
            when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.clock.now()))
            self.letters.notice(
                tx, address, _SUBJECTS[what], what=what, username=person.username, about=about, when=when
            )
