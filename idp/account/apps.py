"""`/account/apps`: the apps a person let in, what each may do, and the way to take it back."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import PageError
from idp.marked import N_
from idp.oauth.allowed import AllowedApps

PLACE = "apps"
PATH = "/account/apps"


@dataclass(frozen=True, slots=True)
class AppPages:
    """What the pages need."""

    frame: AccountFrame
    apps: AllowedApps

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_apps", __name__)
        rooms.add_url_rule(PATH, "apps", self.show, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/withdraw", "withdraw", self.withdraw, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """Every app, the one used last first."""
        return self.frame.render("account/apps.html", visit, PLACE, apps=self.apps.of(visit.person.sub))

    @signed_in(PLACE)
    def withdraw(self, visit: Visit) -> Response:
        """Take back what one app was allowed; its tokens end at once."""
        client_id = request.form.get("app", "")
        if not self.apps.withdraw(visit.person.sub, client_id, session=visit.session.sid):
            raise PageError("unknown", N_("This app has no access any more."), status=404)
        return self.frame.back(PLACE)
