"""`/account/email`: the address of the account; confirm it, change it, never mind."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused, TooManyRequests
from idp.platform.pages import wait
from idp.users.asks import Asks
from idp.users.email_changes import EmailChanges
from idp.users.login.words import sentence
from idp.users.verification import EmailVerification

PLACE = "email"
PATH = "/account/email"
CHANGE = "email-change"
CHANGE_PATH = f"{PATH}/change"


@dataclass(frozen=True, slots=True)
class EmailPages:
    """What the pages need. A change asks for a fresh login."""

    frame: AccountFrame
    asks: Asks
    changes: EmailChanges
    verification: EmailVerification

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_email", __name__)
        rooms.add_url_rule(PATH, "email", self.show, methods=["GET"])
        rooms.add_url_rule(CHANGE_PATH, "change", self.change, methods=["GET", "POST"])
        rooms.add_url_rule(f"{PATH}/cancel", "cancel", self.cancel, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/verify", "verify", self.verify, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """The address, and the change of it that waits."""
        return self._page(visit)

    @signed_in(CHANGE, fresh=True)
    def change(self, visit: Visit) -> Response:
        """Ask for the new address, and write to both. What follows is the same whether somebody else has it or not."""
        if request.method == "GET":
            return self._form(visit)
        email = request.form.get("email", "").strip()
        try:
            self.asks.letter(email, visit.person.sub, request.environ.get("idp.peer", ""))
            self.changes.ask(visit.person.sub, email)
        except TooManyRequests as error:
            refusal = self._form(visit, 429, alert=wait(error), email=email)
            refusal.headers.extend(error.headers)
            return refusal
        except Refused as error:
            return self._form(visit, 400, alert=sentence(error), email=email)
        return self._back()

    @signed_in(PLACE)
    def cancel(self, visit: Visit) -> Response:
        """Never mind: the letters that went out are worth nothing."""
        self.changes.cancel(visit.person.sub)
        return self._back()

    @signed_in(PLACE)
    def verify(self, visit: Visit) -> Response:
        """Send the link once more that shows that the address is one's own."""
        try:
            self.asks.letter(visit.person.email or "", visit.person.sub, request.environ.get("idp.peer", ""))
        except TooManyRequests as error:
            refusal = self._page(visit, 429, alert=wait(error))
            refusal.headers.extend(error.headers)
            return refusal
        self.verification.again(visit.person.sub)
        return self._page(visit, sent=True)

    def _page(self, visit: Visit, status: int = 200, *, alert: str | None = None, sent: bool = False) -> Response:
        change = self.changes.waiting(visit.person)
        return self.frame.render("account/email.html", visit, PLACE, status, change=change, alert=alert, sent=sent)

    def _form(self, visit: Visit, status: int = 200, *, alert: str | None = None, email: str = "") -> Response:
        return self.frame.render("account/email_change.html", visit, CHANGE, status, alert=alert, email=email[:254])

    def _back(self) -> Response:
        return self.frame.pages.redirect(self.frame.pages.url(PATH))
