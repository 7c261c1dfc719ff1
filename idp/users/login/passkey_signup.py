"""Sign-up without a password: a name and an address first, then a passkey for them.

The account is made with its passkey, or not at all. The `sub` that a passkey is made for is chosen beforehand; the challenge is for this
browser and this `sub`, so nobody can bring another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError, Refused
from idp.platform import pages as web
from idp.platform.audit import Audit
from idp.platform.ids import digest
from idp.platform.limits import Limits
from idp.platform.pages import Pages
from idp.platform.throttle import line_of
from idp.users.accounts import Accounts
from idp.users.login.admission import Admission, Admitted
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.words import sentence
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkeys import NewPasskey, Passkeys
from idp.users.people import Person
from idp.users.recovery_codes import RecoveryCodes

PATH = "/signup/passkey"
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class PasskeySignUp:
    """What the page needs; `most` accounts an hour are begun from one address."""

    pages: Pages
    limits: Limits
    audit: Audit
    accounts: Accounts
    passkeys: Passkeys
    recovery_codes: RecoveryCodes
    admission: Admission
    ceremonies: Ceremonies
    find_context: FindContext
    most: int

    def blueprint(self) -> Blueprint:
        """`/signup/passkey`."""
        rooms = Blueprint("passkey_signup", __name__)
        rooms.add_url_rule(PATH, "sign_up", self.sign_up, methods=["GET", "POST"])
        return rooms

    def sign_up(self) -> Response:
        """Ask who it is, then for the passkey; then show the recovery codes and lead to the login."""
        browser = self.pages.cookie(request, web.FLOW)
        context = self._context(browser)
        admitted = self.admission.admitted()
        if admitted is None:
            return self.admission.refusal(context)
        if request.method == "GET":
            return self._form(context, admitted)
        self.pages.check_form(browser, "signup")
        try:
            if "response" in request.form:
                return self._made(context, admitted, browser or "")
            return self._offered(context, admitted, browser or "")
        except Refused as error:
            return self._form(context, admitted, alert=sentence(error), status=400)

    def _offered(self, context: LoginContext | None, admitted: Admitted, browser: str) -> Response:
        self.limits.take("signup", line_of(request.environ.get("idp.peer", "")), limit=self.most, window=_HOUR)
        person = self._drafted(admitted, None)
        self.accounts.check_free(person)
        passkey = self.ceremonies.to_create(_owner(browser, person.sub), person)
        return self._form(context, admitted, passkey=passkey, sub=person.sub)

    def _made(self, context: LoginContext | None, admitted: Admitted, browser: str) -> Response:
        sub = request.form.get("sub", "")
        made = self.ceremonies.create(request.form["response"], _owner(browser, sub))
        codes: list[str] = []

        def also(tx: sa.Connection, person: Person) -> None:
            self.admission.arrive(admitted, tx, person)
            codes.extend(self._equip(tx, person, made))

        person = self.accounts.add(self._drafted(admitted, sub), also=also)
        return self.pages.render(
            "signup_codes.html", leads_away=True, context=context, codes=codes, username=person.username
        )

    def _equip(self, tx: sa.Connection, person: Person, made: NewPasskey) -> list[str]:
        self.passkeys.add(tx, person.sub, made, "")
        self.audit.append(tx, "passkey.added", sub=person.sub, aaguid=made.aaguid)
        return self.recovery_codes.renew(tx, person.sub)

    def _drafted(self, admitted: Admitted, sub: str | None) -> Person:
        form = request.form
        name = form.get("name", "").strip()
        return self.accounts.draft(
            sub=sub,
            username=form.get("username", "").strip(),
            claims={"name": name} if name else {},
            **admitted.facts(),
        )

    def _form(
        self,
        context: LoginContext | None,
        admitted: Admitted,
        *,
        passkey: Mapping[str, Any] | None = None,
        sub: str | None = None,
        alert: str | None = None,
        status: int = 200,
    ) -> Response:
        browser = self.pages.browser(request)
        response = self.pages.render(
            "signup_passkey.html",
            status,
            leads_away=True,
            scripted=passkey is not None,
            context=context,
            admitted=admitted,
            form=request.form,
            passkey=passkey,
            sub=sub,
            alert=alert,
            csrf=self.pages.csrf_token(browser, "signup"),
        )
        return self.pages.keep_browser(request, response, browser)

    def _context(self, browser: str | None) -> LoginContext | None:
        flow = request.values.get("flow")
        context = self.find_context(flow, browser) if flow and browser else None
        if flow is not None and context is None:
            raise PageError("expired", "This login has expired. Go back to the app and start again.")
        return context


def _owner(browser: str, sub: str) -> str:
    return f"{digest(browser)} {sub}"
