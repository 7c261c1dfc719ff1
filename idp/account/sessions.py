"""`/account/sessions`: where the person is signed in, and the way out of there."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import PageError
from idp.marked import N_
from idp.platform.db import Database
from idp.users.people import OpenSession
from idp.users.sessions import Sessions
from idp.users.visitors import device, masked

PLACE = "sessions"
PATH = "/account/sessions"


@dataclass(frozen=True, slots=True)
class SessionPages:
    """What the pages need. What hangs on a session ends with it, and its apps are told."""

    frame: AccountFrame
    database: Database
    sessions: Sessions

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_sessions", __name__)
        rooms.add_url_rule(PATH, "sessions", self.show, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/end", "end", self.end, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/end-others", "end_others", self.end_others, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """Every session, this one first."""
        with self.database.read() as tx:
            living = self.sessions.of(tx, visit.person.sub)
        living.sort(key=lambda one: one.sid != visit.session.sid)
        shown = [_Shown(one, one.sid == visit.session.sid) for one in living]
        return self.frame.render("account/sessions.html", visit, PLACE, sessions=shown)

    @signed_in(PLACE)
    def end(self, visit: Visit) -> Response:
        """Sign out of one session; somebody else's is as unknown as one that has ended."""
        if not self.sessions.end_own(visit.person.sub, request.form.get("session", "")):
            raise PageError("unknown", N_("This session has ended already."), status=404)
        return self.frame.back(PLACE)

    @signed_in(PLACE)
    def end_others(self, visit: Visit) -> Response:
        """Sign out everywhere but here."""
        self.sessions.end_others(visit.person.sub, visit.session.sid)
        return self.frame.back(PLACE)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A session as the page shows it."""

    session: OpenSession
    here: bool

    @property
    def device(self) -> str:
        return device(self.session.visitor.agent)

    @property
    def place(self) -> str:
        return masked(self.session.visitor.peer)
