"""Notices: what a person is told by mail when something about the safety of their account changed.

A notice is a job of the transaction that makes the change: it goes out if and only if the change is made, sealed and retried like every mail.
Whoever has no address is told nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from idp.clock import Clock
from idp.marked import N_
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
    ACCOUNT_REOPENED = "account_reopened"


_SUBJECTS = {
    Notice.NEW_BROWSER: N_("%(name)s: new sign-in to your account"),
    Notice.APP_ADDED: N_("%(name)s: an authenticator app was added"),
    Notice.APP_REMOVED: N_("%(name)s: your authenticator app was removed"),
    Notice.PASSKEY_ADDED: N_("%(name)s: a passkey was added"),
    Notice.PASSKEY_REMOVED: N_("%(name)s: a passkey was removed"),
    Notice.PASSKEY_COPIED: N_("%(name)s: look at your passkeys"),
    Notice.RECOVERY_CODE_USED: N_("%(name)s: a recovery code was used"),
    Notice.RECOVERY_CODES_RENEWED: N_("%(name)s: new recovery codes were made"),
    Notice.PASSWORD_REMOVED: N_("%(name)s: your password was removed"),
    Notice.EMAIL_CHANGED: N_("%(name)s: your e-mail address was changed"),
    Notice.ACCOUNT_LINKED: N_("%(name)s: another way to sign in was added"),
    Notice.ACCOUNT_UNLINKED: N_("%(name)s: a way to sign in was removed"),
    Notice.ACCOUNT_REOPENED: N_("%(name)s: your account is open again"),
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
            self.letters.notice(tx, address, person, _SUBJECTS[what], what=what, about=about, at=self.clock.now())
