"""The check-session frame (OpenID Connect Session Management 1.0 §3.2): a page of ours that apps keep in a hidden frame.

It may be framed by any site, has one script and says no more than `unchanged`, `changed` or `error`. It never talks to the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response

from idp.platform import pages as web
from idp.platform.pages import Pages

PATH = "/oauth/check_session"


@dataclass(frozen=True, slots=True)
class CheckSessionPage:
    """What the page needs."""

    pages: Pages

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("check_session", __name__)
        rooms.add_url_rule(PATH, "check_session", self.frame, methods=["GET"])
        return rooms

    def frame(self) -> Response:
        """The frame; it is the same for everybody."""
        cookie = self.pages.cookie_name(web.BROWSER_STATE)
        return self.pages.render("check_session.html", scripted=True, framed=True, cookie=cookie)
