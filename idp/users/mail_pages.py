"""The pages behind mail: a forgotten password, a new one, and the proof of an address. A click consumes a link, never the look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.errors import Refused
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.accounts import is_email
from idp.users.asks import Asker, Asks
from idp.users.login.words import sentence
from idp.users.people import Person
from idp.users.recovery import PasswordRecovery
from idp.users.verification import EmailVerification


@dataclass(frozen=True, slots=True)
class MailPages:
    """What the pages need; `joining` answers who proves the address of an account that they have not yet; None for everybody else."""

    pages: Pages
    asks: Asks
    recovery: PasswordRecovery
    verification: EmailVerification
    joining: Callable[[], Response | None]
    min_length: int

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("mail_pages", __name__)
        rooms.add_url_rule("/password/forgot", "forgot", self.forgot, methods=["GET", "POST"])
        rooms.add_url_rule("/password/reset", "reset", self.reset, methods=["GET", "POST"])
        rooms.add_url_rule("/email/verify", "verify", self.verify, methods=["GET", "POST"])
        return rooms

    def forgot(self) -> Response:
        """Take an address. The answer is the same whether it is known or not."""
        if request.method == "GET":
            return self._form("forgot.html", "forgot")
        self._check("forgot")
        email = request.form.get("email", "").strip()
        if not is_email(email):
            return self._form("forgot.html", "forgot", 400, alert=i18n.gettext("This is not an e-mail address."))
        self.asks.reset(email, Asker(request.environ.get("idp.peer", ""), self.pages.cookie(request, web.DEVICE)))
        self.recovery.ask(email)
        return self.pages.render("forgot_sent.html", email=email)

    def reset(self) -> Response:
        """Choose a new password."""
        secret = request.values.get("token", "")
        person = self.recovery.person(secret)
        if person is None:
            return self._gone()
        if request.method == "GET":
            return self._reset_form(secret, person)
        self._check("reset")
        try:
            self.recovery.reset(secret, request.form.get("password", ""))
        except Refused as error:
            if error.code == "expired":
                return self._gone()
            return self._reset_form(secret, person, 400, alert=sentence(error))
        return self.pages.render("reset_done.html")

    def _reset_form(self, secret: str, person: Person, status: int = 200, **context: Any) -> Response:
        facts = {"token": secret, "person": person, "min_length": self.min_length}
        return self._form("reset.html", "reset", status, scripted=True, **facts, **context)

    def verify(self) -> Response:
        """Say that the address is one's own."""
        joining = self.joining()
        if joining is not None:
            return joining
        secret = request.values.get("token", "")
        person = self.verification.person(secret)
        if person is None:
            return self._gone()
        if request.method == "GET":
            return self._form("verify.html", "verify", token=secret, person=person)
        self._check("verify")
        try:
            verified = self.verification.verify(secret)
        except Refused:
            return self._gone()
        return self.pages.render("verified.html", person=verified)

    def _gone(self) -> Response:
        return self.pages.render("link_gone.html", 400)

    def _check(self, purpose: str) -> None:
        self.pages.check_form(self.pages.cookie(request, web.FLOW), purpose)

    def _form(self, template: str, purpose: str, status: int = 200, **context: Any) -> Response:
        browser = self.pages.browser(request)
        response = self.pages.render(template, status, csrf=self.pages.csrf_token(browser, purpose), **context)
        return self.pages.keep_browser(request, response, browser)
