"""`/login/return`: somebody who closed their account signed in; do they want it back?

What was proven waits as a step of the login. Whoever would still owe a second factor is not asked: a step that waits for one opens nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError, Refused
from idp.marked import N_
from idp.platform import pages as web
from idp.users.login.chain import Proven
from idp.users.login.opener import RETURN
from idp.users.login.second_factor import SecondFactor, Visit

_GONE = N_("This login has expired. Go back and start again.")


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """Asks, and opens the account again."""

    second: SecondFactor

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("returning", __name__)
        rooms.add_url_rule(RETURN, "return", self.page, methods=["GET", "POST"])
        return rooms

    def page(self) -> Response:
        """The question, or its answer; raises `PageError` where nobody proved themselves wholly."""
        visit = self._proven()
        if request.method == "GET":
            return self._form(visit)
        self.second.pages.check_form(visit.browser, f"return {visit.step.id}")
        try:
            person = self.second.accounts.reopen(visit.person.sub, first=lambda tx: self._use_up(tx, visit))
        except Refused as error:
            raise PageError("expired", _GONE) from error
        opened = self.second.opener.open(visit.context, Proven(person, visit.step.amr))
        if opened is None:  # changed in this very moment
            raise PageError("expired", _GONE)
        return opened

    def _proven(self) -> Visit:
        visit = self.second.visit()
        device = self.second.pages.cookie(request, web.DEVICE)
        with self.second.opener.database.read() as tx:
            owes = self.second.is_needed(tx, Proven(visit.person, visit.step.amr), visit.context, device)
        if owes or not visit.person.may_return:
            raise PageError("expired", _GONE)
        return visit

    def _use_up(self, tx: sa.Connection, visit: Visit) -> None:
        """Of any number at once exactly one goes on, and nobody whose account was changed meanwhile."""
        finished = self.second.steps.finish(tx, visit.step.id, visit.browser)
        if not finished or not self.second.accounts.hold(tx, visit.person, alone=True):
            raise Refused("gone", _GONE)

    def _form(self, visit: Visit) -> Response:
        return self.second.pages.render(
            "return.html",
            leads_away=True,
            person=visit.person,
            step=visit.step.id,
            csrf=self.second.pages.csrf_token(visit.browser, f"return {visit.step.id}"),
        )
