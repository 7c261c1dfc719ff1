"""A second factor set up in the middle of a login that needs one, by a person who has none yet.

Whoever has one already never gets here: a password alone must not add another. The authenticator app's first code is the second proof of this
login; a passkey that was just made is then used like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError, Refused
from idp.marked import N_
from idp.platform import i18n
from idp.users.login.chain import Proven
from idp.users.login.second_factor import AMR, ENROL, PATHS, SecondFactor, Visit
from idp.users.login.steps import added
from idp.users.login.words import sentence
from idp.users.notices import Notice
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.totp import Offer, drawing
from idp.users.ways_in import WaysIn

_WRONG = N_("This code is not right. Look at the app and try the newest one.")
_PASSKEY = f"{ENROL}/passkey"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the pages need; `ceremonies` is None where browsers know no passkeys."""

    second: SecondFactor
    ceremonies: Ceremonies | None

    def blueprint(self) -> Blueprint:
        """`/login/enrol` and, where there are passkeys, `/login/enrol/passkey`."""
        rooms = Blueprint("enrolment", __name__)
        rooms.add_url_rule(ENROL, "app", self.app, methods=["GET", "POST"])
        if self.ceremonies is not None:
            rooms.add_url_rule(_PASSKEY, "passkey", self.passkey, methods=["GET", "POST"])
        return rooms

    def app(self) -> Response:
        """Offer an authenticator app, or put it in use and go on."""
        visit, apps = self._visit(), self.second.authenticators
        if request.method == "GET":
            return self._offer(visit, apps.offer(visit.person.sub, visit.person.email or visit.person.username))
        self.second.pages.check_form(visit.browser, _purpose(visit))
        try:
            offer = apps.again(visit.person.sub, request.form.get("offer", ""))
            response = self._accepted(visit, offer, request.form.get("code", ""))
        except Refused as error:
            offer = apps.offer(visit.person.sub, visit.person.email or visit.person.username)
            return self._offer(visit, offer, alert=sentence(error), status=400)
        return response or self._offer(visit, offer, alert=i18n.said(_WRONG), status=400)

    def passkey(self) -> Response:
        """Offer to make a passkey, or keep the one that was made; it is asked for next."""
        visit, ceremonies = self._visit(), self.ceremonies
        if ceremonies is None:
            raise PageError("unknown", "There is no page here.", status=404)
        if request.method == "GET":
            return self._passkey_page(visit, ceremonies)
        self.second.pages.check_form(visit.browser, _purpose(visit))
        try:
            made = ceremonies.create(request.form.get("response", ""), _owner(visit))
            with self.second.opener.database.write() as tx:
                self._hold(tx, visit)
                ceremonies.passkeys.add(tx, visit.person.sub, made, request.form.get("name", ""))
                codes = self._added(tx, visit, Notice.PASSKEY_ADDED, "passkey.added", aaguid=made.aaguid)
        except Refused as error:
            return self._passkey_page(visit, ceremonies, alert=sentence(error), status=400)
        pages = self.second.pages
        return self._codes(visit, codes, f"{pages.url(PATHS['passkey'])}?step={visit.step.id}")

    def _accepted(self, visit: Visit, offer: Offer, code: str) -> Response | None:
        codes: list[str] = []

        def last_step(tx: sa.Connection) -> bool:
            self._hold(tx, visit)
            if not self.second.authenticators.accept(tx, visit.person.sub, offer.sealed, code):
                return False
            codes.extend(self._added(tx, visit, Notice.APP_ADDED, "authenticator.added"))
            return self.second.steps.finish(tx, visit.step.id, visit.browser)

        proven = Proven(visit.person, added(visit.step.amr, AMR), last_step, visit.step.session)
        return self.second.opener.open(visit.context, proven, arrive=lambda url: self._codes(visit, codes, url))

    def _hold(self, tx: sa.Connection, visit: Visit) -> None:
        """Of two that set something up at once the second finds the first; raises `Refused` then."""
        WaysIn.hold(tx, visit.person.sub)
        if self.second.has(tx, visit.person.sub):
            raise Refused("exists", N_("there is a second step already: go back and sign in again"))

    def _added(self, tx: sa.Connection, visit: Visit, what: Notice, event: str, **facts: str) -> list[str]:
        """What comes with the first second factor: recovery codes, a notice, an audit row."""
        second = self.second
        second.opener.notices.tell(tx, visit.person, what)
        codes = second.recovery_codes.renew(tx, visit.person.sub)
        second.audit.append(tx, event, sub=visit.person.sub, **facts)
        return codes

    def _visit(self) -> Visit:
        """Raises `PageError` for whoever has a second factor: they use it."""
        visit = self.second.visit()
        with self.second.opener.database.read() as tx:
            if self.second.has(tx, visit.person.sub):
                raise PageError("exists", "There is a second step already. Go back and sign in again.")
        return visit

    def _offer(self, visit: Visit, offer: Offer, *, alert: str | None = None, status: int = 200) -> Response:
        facts = {"offer": offer, "drawing": drawing(offer), "passkeys_on": self.ceremonies is not None}
        return self._page("enrol.html", visit, status, alert=alert, **facts)

    def _passkey_page(
        self, visit: Visit, ceremonies: Ceremonies, *, alert: str | None = None, status: int = 200
    ) -> Response:
        passkey = ceremonies.to_create(_owner(visit), visit.person)
        return self._page("enrol_passkey.html", visit, status, alert=alert, passkey=passkey, scripted=True)

    def _codes(self, visit: Visit, codes: list[str], onward: str) -> Response:
        return self._page("enrolled.html", visit, 200, codes=codes, onward=onward)

    def _page(self, template: str, visit: Visit, status: int, **facts: Any) -> Response:
        pages, context = self.second.pages, visit.context
        return pages.render(
            template,
            status,
            leads_away=True,
            context=context,
            person=visit.person,
            step=visit.step.id,
            csrf=pages.csrf_token(visit.browser, _purpose(visit)),
            cancel_csrf=pages.csrf_token(visit.browser, f"cancel {context.flow}") if context else None,
            **facts,
        )


def _purpose(visit: Visit) -> str:
    return f"enrol {visit.step.id}"


def _owner(visit: Visit) -> str:
    return f"{visit.browser} {visit.step.id}"
