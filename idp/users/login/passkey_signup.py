"""Sign-up without a password: a name and an address first and, once a letter has proved it, a passkey for them.

The account is made with its passkey, or not at all. The `sub` that a passkey is made for is chosen beforehand; the challenge is for this
browser and this `sub`, so nobody can bring another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.platform import pages as web
from idp.platform.audit import Audit
from idp.platform.ids import digest
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.login.admission import Admission, Admitted
from idp.users.login.context import LoginContext
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkeys import NewPasskey, Passkeys
from idp.users.people import Person
from idp.users.recovery_codes import RecoveryCodes

PATH = "/signup/passkey"


@dataclass(frozen=True, slots=True)
class PasskeySignUp:
    """What the page needs."""

    pages: Pages
    audit: Audit
    accounts: Accounts
    passkeys: Passkeys
    recovery_codes: RecoveryCodes
    admission: Admission
    ceremonies: Ceremonies

    def blueprint(self) -> Blueprint:
        """`/signup/passkey`."""
        rooms = Blueprint("passkey_signup", __name__)
        rooms.add_url_rule(PATH, "sign_up", self.sign_up, methods=["GET", "POST"])
        return rooms

    def sign_up(self) -> Response:
        """Ask who it is and, once their address is proved, for the passkey; then show the recovery codes and lead to the login."""
        context = self.admission.context(self.pages.cookie(request, web.FLOW))
        return self.admission.answer(context, self._form, self._answer)

    def _answer(self, context: LoginContext | None, admitted: Admitted) -> Response:
        browser = self.pages.cookie(request, web.FLOW)
        if request.method == "GET":
            return self._offered(context, admitted) if admitted.signup else self._form(context, admitted)
        self.pages.check_form(browser, "signup")
        if "response" in request.form:
            return self._made(context, admitted, browser or "")
        self.admission.count()
        waiting = self.admission.ask(context, browser or "", self.admission.draft(admitted), None)
        return waiting or self._offered(context, admitted)

    def _offered(self, context: LoginContext | None, admitted: Admitted) -> Response:
        browser = self.pages.browser(request)
        person = self.admission.draft(admitted)
        self.accounts.check_free(person)
        passkey = self.ceremonies.to_create(_owner(browser, person.sub), person)
        return self._form(context, admitted, browser=browser, passkey=passkey, person=person)

    def _made(self, context: LoginContext | None, admitted: Admitted, browser: str) -> Response:
        sub = request.form.get("sub", "")
        made = self.ceremonies.create(request.form["response"], _owner(browser, sub))
        codes: list[str] = []

        def also(tx: sa.Connection, person: Person) -> None:
            codes.extend(self._equip(tx, person, made))

        person = self.admission.make(admitted, self.admission.draft(admitted, sub), also=also)
        return self.pages.render(
            "signup_codes.html", leads_away=True, context=context, codes=codes, username=person.username
        )

    def _equip(self, tx: sa.Connection, person: Person, made: NewPasskey) -> list[str]:
        self.passkeys.add(tx, person.sub, made, "")
        self.audit.append(tx, "passkey.added", sub=person.sub, aaguid=made.aaguid)
        return self.recovery_codes.renew(tx, person.sub)

    def _form(
        self,
        context: LoginContext | None,
        admitted: Admitted,
        *,
        browser: str | None = None,
        passkey: Mapping[str, Any] | None = None,
        person: Person | None = None,
        alert: str | None = None,
        wrong: str | None = None,
        status: int = 200,
    ) -> Response:
        browser = browser or self.pages.browser(request)
        response = self.pages.render(
            "signup_passkey.html",
            status,
            leads_away=True,
            scripted=passkey is not None,
            context=context,
            admitted=admitted,
            form=request.form,
            passkey=passkey,
            person=person,
            alert=alert,
            wrong_field=wrong,
            csrf=self.pages.csrf_token(browser, "signup"),
        )
        return self.pages.keep_browser(request, response, browser)


def _owner(browser: str, sub: str) -> str:
    return f"{digest(browser)} {sub}"
