"""The pages behind the two letters of a change of address. A click counts, never the look at a page: mail programs look too.

Nobody need be signed in there: whoever holds both letters reads the mail of both addresses, and one letter alone changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.errors import Refused
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.email_changes import EmailChange, EmailChanges
from idp.users.links import Purpose


@dataclass(frozen=True, slots=True)
class EmailChangePages:
    """What the pages need."""

    pages: Pages
    changes: EmailChanges

    def blueprint(self) -> Blueprint:
        """`/email/confirm` for the new address, `/email/approve` for the one of before."""
        rooms = Blueprint("email_change_pages", __name__)
        rooms.add_url_rule("/email/confirm", "confirm", self.confirm, methods=["GET", "POST"])
        rooms.add_url_rule("/email/approve", "approve", self.approve, methods=["GET", "POST"])
        return rooms

    def confirm(self) -> Response:
        """Say that the new address is one's own."""
        return self._asked(Purpose.CONFIRM, "email_confirm.html")

    def approve(self) -> Response:
        """Agree that the address of before is changed, or not."""
        return self._asked(Purpose.APPROVE, "email_approve.html")

    def _asked(self, purpose: Purpose, template: str) -> Response:
        secret = request.values.get("token", "")
        change = self.changes.find(purpose, secret)
        if change is None:
            return self._gone()
        if request.method == "GET":
            return self._form(template, purpose, secret, change)
        self.pages.check_form(self.pages.cookie(request, web.FLOW), purpose)
        try:
            if purpose is Purpose.APPROVE and request.form.get("decision") != "allow":
                self.changes.refuse(secret)
                return self.pages.render("email_kept.html", change=change)
            return self.pages.render("email_agreed.html", change=self.changes.agree(purpose, secret))
        except Refused:
            return self._gone()

    def _form(self, template: str, purpose: Purpose, secret: str, change: EmailChange) -> Response:
        browser = self.pages.browser(request)
        csrf = self.pages.csrf_token(browser, purpose)
        response = self.pages.render(template, csrf=csrf, token=secret, change=change)
        return self.pages.keep_browser(request, response, browser)

    def _gone(self) -> Response:
        return self.pages.render("link_gone.html", 400, again=self.pages.url("/account/email"))
