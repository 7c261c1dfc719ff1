"""`/account/data`, `/account/export`, `/account/close`: take what is known of oneself away, and go."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.account.export import Export
from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.users.login.words import sentence
from idp.users.people import Person

PLACE, PATH = "data", "/account/data"
EXPORT_PATH = "/account/export"
CLOSE, CLOSE_PATH = "close", "/account/close"
_DAY = 86400
_GONE = Refused("gone", N_("you were signed out, or your account was changed"))
_DECISIONS = ("disable", "delete")


@dataclass(frozen=True, slots=True)
class DataPages:
    """What the pages need; `grace_days`: how long who deletes their account can come back. All but the first page asks for a fresh login."""

    frame: AccountFrame
    export: Export
    audit: Audit
    grace_days: int

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_data", __name__)
        rooms.add_url_rule(PATH, "data", self.show, methods=["GET"])
        rooms.add_url_rule(EXPORT_PATH, "export", self.download, methods=["POST"])
        rooms.add_url_rule(CLOSE_PATH, "close", self.close, methods=["GET", "POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """The two doors."""
        return self.frame.render("account/data.html", visit, PLACE, grace_days=self.grace_days)

    @signed_in(PLACE, fresh=True)
    def download(self, visit: Visit) -> Response:
        """Everything, as a file; that somebody took it is noted."""
        with self.export.database.write() as tx:
            self.audit.append(tx, "account.exported", sub=visit.person.sub, session=visit.session.sid)
        body = json.dumps(self.export.of(visit.person), indent=2, ensure_ascii=False)
        response = Response(body, content_type="application/json")
        response.headers["Content-Disposition"] = 'attachment; filename="account.json"'
        self.frame.pages.protect(response, leads_away=False)
        return response

    @signed_in(CLOSE, fresh=True)
    def close(self, visit: Visit) -> Response:
        """Ask whether they are sure, and close the account; every session and token of it ends."""
        if request.method == "GET":
            return self._form(visit)
        decision = request.form.get("decision")
        if decision not in _DECISIONS or request.form.get("sure") != "yes":
            return self._form(visit, alert=i18n.gettext("Say that you are sure."), status=400)
        try:
            person = self._close(visit, delete=decision == "delete")
        except Refused as error:
            return self._form(visit, alert=sentence(error), status=409)
        response = self.frame.pages.render("account/closed.html", person=person)
        self.frame.pages.drop_session(response)
        return response

    def _close(self, visit: Visit, *, delete: bool) -> Person:
        def as_seen(tx: sa.Connection) -> None:
            unchanged = self.frame.accounts.hold(tx, visit.person, alone=True)
            if not unchanged or not self.frame.sessions.alive(tx, visit.session.sid):
                raise _GONE

        deletes_in = self.grace_days * _DAY if delete else None
        return self.frame.accounts.close(visit.person.sub, deletes_in=deletes_in, first=as_seen)

    def _form(self, visit: Visit, *, alert: str | None = None, status: int = 200) -> Response:
        return self.frame.render("account/close.html", visit, CLOSE, status, alert=alert, grace_days=self.grace_days)
