"""`/account`: the account at a glance, and what its owner should look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Event, events_of
from idp.platform.db import Database
from idp.upstream.directory import ProviderDirectory
from idp.upstream.linked import LinkedAccounts
from idp.users.passkeys import Passkeys
from idp.users.people import Person
from idp.users.recovery_codes import RecoveryCodes
from idp.users.store import has_password
from idp.users.totp import Authenticators
from idp.users.visitors import device, masked

PLACE = "overview"
PATH = "/account"
_FEW_CODES = 3


@dataclass(frozen=True, slots=True)
class Protection:
    """What opens an account and what protects it. `linked` are the titles of the providers that open it."""

    password: bool
    passkeys: int
    linked: tuple[str, ...]
    app: bool
    codes_left: int

    @property
    def has_factor(self) -> bool:
        """Whether more than a password is asked for."""
        return self.app or self.passkeys > 0


@dataclass(frozen=True, slots=True)
class Warned:
    """What the owner should look at, and where."""

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """What the page needs; `by_mail`: whether people can sign in by mail here."""

    frame: AccountFrame
    database: Database
    passkeys: Passkeys
    linked: LinkedAccounts
    providers: ProviderDirectory
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    by_mail: bool

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_overview", __name__)
        rooms.add_url_rule(PATH, "overview", self.show, methods=["GET"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """The account at a glance."""
        person = visit.person
        with self.database.read() as tx:
            protection = self._protection(tx, person.sub)
            logins = events_of(tx, person.sub, 2, names=("login",))
        return self.frame.render(
            "account/overview.html",
            visit,
            PLACE,
            display=person.claims.get("name") or person.username,
            protection=protection,
            ways=list(self._ways(person, protection)),
            warnings=[(i18n.said(one.text), self.frame.places[one.place]) for one in _warnings(person, protection)],
            logins=[_login(event) for event in logins],
        )

    def _protection(self, tx: sa.Connection, sub: str) -> Protection:
        titles = self.providers.titles()
        return Protection(
            password=has_password(tx, sub),
            passkeys=len(self.passkeys.of(tx, sub)),
            linked=tuple(titles.get(one.provider, one.provider) for one in self.linked.of(tx, sub)),
            app=self.authenticators.has(tx, sub),
            codes_left=self.recovery_codes.left(tx, sub),
        )

    def _ways(self, person: Person, protection: Protection) -> Iterator[str]:
        if protection.password:
            yield i18n.gettext("Password")
        if protection.passkeys:
            yield i18n.ngettext("a passkey", "%(num)s passkeys", protection.passkeys)
        if self.by_mail and person.email_verified:
            yield i18n.gettext("a code by mail")
        yield from protection.linked


def _warnings(person: Person, protection: Protection) -> Iterator[Warned]:
    if person.email is None:
        yield Warned(
            N_("Your account has no e-mail address: without one there is no way back when you are locked out."), "email"
        )
    elif not person.email_verified:
        yield Warned(N_("Your e-mail address is not confirmed yet."), "email")
    if protection.has_factor and protection.codes_left == 0:
        yield Warned(N_("You have no recovery codes left."), "security")
    elif protection.has_factor and protection.codes_left < _FEW_CODES:
        yield Warned(N_("Only few recovery codes are left."), "security")
    if protection.password and not protection.has_factor:
        yield Warned(N_("Whoever learns your password gets in: add a second step."), "security")


def _login(event: Event) -> tuple[int, str, str]:
    """When it was, with what, and whence."""
    return event.time, device(event.facts.get("agent", "")), masked(event.facts.get("peer", ""))
