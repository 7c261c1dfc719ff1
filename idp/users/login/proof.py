"""The proof of a stranger's address, at `/email/verify`: the code of the letter in the browser that began, or its link in any.

A click counts, never the look at it. Opened in another browser the link lets its reader choose a password of their own: that somebody who
typed one with this address cannot be told from them would be worth an account to a thief.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.accounts import ADDRESS_TAKEN
from idp.users.login.admission import VERIFY, Admission, Admitted
from idp.users.login.context import LoginContext
from idp.users.login.words import sentence
from idp.users.signups import GONE, SignUp, SignUps

_WRONG = N_("This code is not right, or it was used already.")


@dataclass(frozen=True, slots=True)
class SignUpProof:
    """What the pages need."""

    pages: Pages
    admission: Admission
    signups: SignUps

    def blueprint(self) -> Blueprint:
        """`/signup/again`."""
        rooms = Blueprint("signup_proof", __name__)
        rooms.add_url_rule("/signup/again", "again", self.again, methods=["POST"])
        return rooms

    def answer(self) -> Response | None:
        """What `/email/verify` says of a sign-up; None where it was asked for something else."""
        if "signup" in request.values:
            return self._code(request.values["signup"])
        secret = request.values.get("token", "")
        found = self.signups.by_link(secret)
        if found is None:
            return None
        if request.method == "GET":
            return self._ask(found, secret)
        self.pages.check_form(self._browser, "signup")
        return self._proven(found, secret)

    def again(self) -> Response:
        """Send another letter, to whomever it went before."""
        asked = request.form.get("signup", "")
        found = self.signups.find(asked, self._browser)
        if found is None:
            return self._over()
        self.pages.check_form(self._browser, "signup")
        self.admission.count_letter(found.email)
        self.signups.again(found)
        return self.admission.lead(VERIFY, self._context(found), signup=asked)

    @property
    def _browser(self) -> str | None:
        return self.pages.cookie(request, web.FLOW)

    def _code(self, asked: str) -> Response:
        found = self.signups.find(asked, self._browser)
        if found is None:
            return self._over()
        if request.method == "GET":
            return self._wait(found, asked)
        self.pages.check_form(self._browser, "signup")
        secret = self.signups.exchange(asked, self._browser or "", request.form.get("code", "")[:64])
        if secret is None:
            return self._wait(found, asked, 400, alert=i18n.said(_WRONG))
        return self._proven(found, secret)

    def _proven(self, found: SignUp, secret: str) -> Response:
        context = self._context(found)
        if found.password is None:
            return self.admission.lead("/signup/passkey", context, token=secret)
        if not found.is_of(self._browser):
            return self.admission.lead("/signup", context, token=secret)
        if "username" in request.form:
            self.admission.count()
        admitted = Admitted(signup=found, secret=secret)
        try:
            self.admission.make(admitted, self.admission.draft(admitted), hashed=found.password)
        except Refused as error:
            return self._refused(found, secret, error)
        return self.admission.joined(context)

    def _refused(self, found: SignUp, secret: str, error: Refused) -> Response:
        if error.code == GONE.code:
            return self.pages.render("link_gone.html", 400, again=self.pages.url("/signup"))
        if error.code == ADDRESS_TAKEN.code:
            return self._over(found)
        return self._ask(found, secret, 400, alert=sentence(error))

    def _wait(self, found: SignUp, asked: str, status: int = 200, **facts: Any) -> Response:
        return self._form("signup_sent.html", status, found, signup=asked, **facts)

    def _ask(self, found: SignUp, secret: str, status: int = 200, **facts: Any) -> Response:
        username = request.form.get("username", found.username)
        return self._form("signup_proof.html", status, found, token=secret, username=username, **facts)

    def _over(self, found: SignUp | None = None) -> Response:
        """That there is nothing to wait for any more, or an account already."""
        context = self._context(found) if found else None
        return self.pages.render("signup_over.html", 400, leads_away=True, found=found, context=context)

    def _form(self, template: str, status: int, found: SignUp, **facts: Any) -> Response:
        browser = self.pages.browser(request)
        facts |= {"found": found, "context": self._context(found), "csrf": self.pages.csrf_token(browser, "signup")}
        response = self.pages.render(template, status, leads_away=True, **facts)
        return self.pages.keep_browser(request, response, browser)

    def _context(self, found: SignUp) -> LoginContext | None:
        """Who waits for this sign-up; None once they wait no more, or in another browser."""
        return self.admission.find_context(found.flow, self._browser) if found.flow and self._browser else None
