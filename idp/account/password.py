"""`/account/password`: another password, for who knows the current one or has just signed in."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused, TooManyRequests
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import wait
from idp.users.login.words import sentence
from idp.users.password_change import PasswordChange
from idp.users.visitors import visitor_of

PLACE = "password"
PATH = "/account/password"


@dataclass(frozen=True, slots=True)
class PasswordPages:
    """What the page needs; `min_length` is what the meter counts against."""

    frame: AccountFrame
    change: PasswordChange
    min_length: int

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_password", __name__)
        rooms.add_url_rule(PATH, "password", self.password, methods=["GET", "POST"])
        return rooms

    @signed_in(PLACE)
    def password(self, visit: Visit) -> Response:
        """Ask for a new password, or set the one that was posted."""
        fresh = self.frame.is_fresh(visit)
        if not fresh and not self.frame.accounts.has_password(visit.person.sub):
            return self.frame.sign_in(PLACE)
        if request.method == "GET":
            return self._form(visit, fresh)
        try:
            if not fresh and not self.change.proves(visit.person, request.form.get("current", "")):
                return self._form(
                    visit, fresh, alert=i18n.gettext("The current password is not right."), wrong="current"
                )
            cookie = self.change.change(
                visit.person,
                visit.session,
                request.form.get("password", ""),
                self.frame.pages.cookie(request, web.DEVICE),
                visitor_of(request),
            )
        except TooManyRequests as error:
            refusal = self._form(visit, fresh, 429, alert=wait(error), wrong="current")
            refusal.headers.extend(error.headers)
            return refusal
        except Refused as error:
            if error.code == "gone":
                return self.frame.sign_in(PLACE)
            return self._form(visit, fresh, alert=sentence(error), wrong="password")
        response = self.frame.render("account/password_done.html", visit, PLACE)
        self.frame.pages.keep_session(response, cookie)
        return response

    def _form(
        self, visit: Visit, fresh: bool, status: int = 200, *, alert: str | None = None, wrong: str = ""
    ) -> Response:
        return self.frame.render(
            "account/password.html",
            visit,
            PLACE,
            400 if alert and status == 200 else status,
            scripted=True,
            asks_current=not fresh,
            has_password=self.frame.accounts.has_password(visit.person.sub),
            min_length=self.min_length,
            alert=alert,
            wrong=wrong,
        )
