"""`/account/switch`: to another account in this browser, or to one more."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response

from idp.account import overview
from idp.account.frame import AccountFrame

PATH, PLACE = "/account/switch", "switch"
AFTER = overview.PATH
"""Where the person is led once they have chosen."""


@dataclass(frozen=True, slots=True)
class SwitchPage:
    """What it needs."""

    frame: AccountFrame

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_switch", __name__)
        rooms.add_url_rule(PATH, "switch", self.switch, methods=["GET"])
        return rooms

    def switch(self) -> Response:
        """To the chooser."""
        return self.frame.sign_in(PLACE)
