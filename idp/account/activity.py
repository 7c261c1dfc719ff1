"""`/account/activity`: what happened to an account, in words, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Event, events_of
from idp.platform.db import Database
from idp.users.visitors import device, masked

PLACE = "activity"
PATH = "/account/activity"
PAGE = 20
_LONGEST_SEQUENCE = 18
_SENTENCES: Mapping[str, str] = {
    "login": N_("You signed in"),
    "logout": N_("You were signed out"),
    "invitation.used": N_("You accepted an invitation"),
    "user.created": N_("Your account was made"),
    "user.updated": N_("Your account was changed"),
    "user.disabled": N_("Your account was switched off"),
    "user.enabled": N_("Your account was switched on again"),
    "user.closed": N_("You closed your account"),
    "user.reopened": N_("You opened your account again"),
    "user.password_set": N_("Your password was changed"),
    "user.password_removed": N_("Your password was removed"),
    "passkey.added": N_("A passkey was added"),
    "passkey.renamed": N_("A passkey got another name"),
    "passkey.removed": N_("A passkey was removed"),
    "passkey.counter_went_back": N_("An old copy of a passkey was refused"),
    "authenticator.added": N_("An authenticator app was added"),
    "authenticator.removed": N_("The authenticator app was removed"),
    "recovery_codes.renewed": N_("New recovery codes were made"),
    "recovery_code.used": N_("A recovery code was used"),
    "browsers.untrusted": N_("No browser is trusted any more"),
    "email.change_asked": N_("Another e-mail address was asked for"),
    "email.change_confirmed": N_("The new e-mail address was confirmed"),
    "email.change_approved": N_("The e-mail address of before agreed to the change"),
    "email.change_cancelled": N_("The change of your e-mail address was called off"),
    "email.change_refused": N_("The change of your e-mail address was refused"),
    "email.changed": N_("Your e-mail address was changed"),
    "account.exported": N_("You downloaded your data"),
    "account.linked": N_("Another account was linked"),
    "account.unlinked": N_("A linked account was removed"),
    "consent": N_("You let an app in"),
    "consent.withdrawn": N_("You ended the access of an app"),
    "code.reused": N_("An app tried to use a sign-in twice; we refused it"),
    "refresh_token.reused": N_("An app used an old key to your account; its access ended"),
    "token.exchanged": N_("A service acted for you"),
}
"""The events that people are shown, and how they are said."""
NameOf = Callable[[str], str | None]
"""What the client with this id is called."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: when, what, and what else is known of it."""

    time: int
    sentence: str
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActivityPages:
    """What the page needs."""

    frame: AccountFrame
    database: Database
    name_of: NameOf

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_activity", __name__)
        rooms.add_url_rule(PATH, "activity", self.show, methods=["GET"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """A page of events: the newest, or those in front of `before`."""
        with self.database.read() as tx:
            found = events_of(tx, visit.person.sub, PAGE + 1, before=_before(), names=_SENTENCES)
        shown = found[:PAGE]
        return self.frame.render(
            "account/activity.html",
            visit,
            PLACE,
            happened=[self._said(event) for event in shown],
            older=shown[-1].sequence if len(found) > PAGE else None,
            newest=_before() is None,
        )

    def _said(self, event: Event) -> Happened:
        about = (_with(event.facts), masked(event.facts.get("peer", "")), self._whom(event.facts))
        return Happened(event.time, i18n.said(_SENTENCES[event.name]), tuple(filter(None, about)))

    def _whom(self, facts: Mapping[str, Any]) -> str | None:
        """The app or the provider that it speaks of."""
        client_id = facts.get("client_id")
        return facts.get("provider") if client_id is None else self.name_of(client_id)


def _with(facts: Mapping[str, Any]) -> str | None:
    return device(facts["agent"]) if "agent" in facts else None


def _before() -> int | None:
    """Where the page begins; what is no number begins with the newest."""
    given = request.args.get("before", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _LONGEST_SEQUENCE else None
