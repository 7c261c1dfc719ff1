"""`/dev/mailbox`: the letters that were written, where development needs no mail server. It is there with `IDP_MAIL_URL=mailbox://` alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, Response

from idp.errors import PageError
from idp.platform.mailbox import Kept, Mailbox
from idp.platform.pages import Pages

PATH = "/dev/mailbox"
_LINK = re.compile(r"(https?://[^\s<>\"]+)")
_ALONE = (
    "sandbox allow-top-navigation-by-user-activation",
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
)
_LEADS_OUT = '<base target="_top">'


@dataclass(frozen=True, slots=True)
class MailboxPages:
    """What the pages need."""

    pages: Pages
    mailbox: Mailbox

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("mailbox", __name__)
        rooms.add_url_rule(PATH, "all", self.all, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/<name>", "letter", self.letter, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/<name>/html", "html", self.html, methods=["GET"])
        return rooms

    def all(self) -> Response:
        """Every letter, newest first."""
        return self.pages.render("mailbox.html", letters=self.mailbox.all())

    def letter(self, name: str) -> Response:
        """One letter: its text with links, its HTML in a frame."""
        kept = self._found(name)
        return self.pages.render("mailbox_letter.html", frames=("'self'",), letter=kept, pieces=_LINK.split(kept.text))

    def html(self, name: str) -> Response:
        """The HTML of a letter, by itself: no script, nothing loaded, an origin of its own; a click on a link leads out of the frame."""
        kept = self._found(name)
        response = Response(_LEADS_OUT + (kept.html or ""), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = "; ".join(_ALONE)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _found(self, name: str) -> Kept:
        kept = self.mailbox.find(name)
        if kept is None:
            raise PageError("unknown", "There is no such letter, or no more.", status=404)
        return kept
