"""`/login/upstream/NAME` and its callback: out to a provider, and back into the login that waits."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from flask import Blueprint, Response, request

from idp.errors import PageError
from idp.marked import N_
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.upstream.arrivals import Arrivals
from idp.upstream.conversation import PATH
from idp.upstream.departures import Departures
from idp.upstream.identity import Identity
from idp.upstream.journeys import Journey
from idp.upstream.providers import NAME, Known
from idp.upstream.stopped import Stopped
from idp.users.login.chain import Proven
from idp.users.login.context import FindContext, LoginContext, purpose
from idp.users.login.policy import UPSTREAM
from idp.users.login.second_factor import SecondFactor
from idp.users.sessions import Sessions

LINKED = "/account/linked"
_GONE = N_("This sign-in has expired or was used already. Go back and start again.")
_MAX_ANSWER = 8192
log = structlog.get_logger("idp.upstream")


@dataclass(frozen=True, slots=True)
class UpstreamPages:
    """What the pages need."""

    pages: Pages
    sessions: Sessions
    departures: Departures
    arrivals: Arrivals
    second_factor: SecondFactor
    find_context: FindContext

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("upstream", __name__)
        rooms.before_request(_refuse_odd_names)
        rooms.add_url_rule(f"{PATH}/<name>", "start", self.start, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/<name>/callback", "callback", self.callback, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/<name>/callback", "posted", self.posted, methods=["POST"])
        return rooms

    def start(self, name: str) -> Response:
        """The button of the login page: to the provider."""
        browser, flow = self.pages.cookie(request, web.FLOW), request.form.get("flow")
        context = self._context(flow, browser)
        self.second_factor.policy.check(UPSTREAM, context)
        self.pages.check_form(browser, purpose(context))
        again = self.sessions.find(self.pages.cookie(request, web.SESSION)) is not None
        fresh = again or (context is not None and context.max_age is not None)
        try:
            known = self.departures.usable(name)
            return self.pages.redirect(self.departures.leave(known, browser or "", flow=flow, fresh=fresh))
        except Stopped as stopped:
            return self._stopped(stopped, flow)

    def posted(self, name: str) -> Response:
        """An answer by form post: it shows no cookies, coming from another site; the GET after it does."""
        state = request.form.get("state", "")
        answer = {key: value for key, value in request.form.items() if key != "state"}
        too_much = sum(map(len, answer.values())) > _MAX_ANSWER
        if too_much or not self.departures.journeys.answered(name, state, answer):
            raise PageError("expired", _GONE)
        return self.pages.redirect(f"{self.pages.url(f'{PATH}/{name}/callback')}?state={state}")

    def callback(self, name: str) -> Response:
        """Back from the provider. The journey is used up first, whatever comes of it."""
        browser, state = self.pages.cookie(request, web.FLOW), request.args.get("state", "")
        journey = self.departures.journeys.end(name, state, browser) if browser else None
        if journey is None or browser is None:
            raise PageError("expired", _GONE)
        answer = request.args if journey.answer is None else journey.answer
        try:
            known = self.departures.usable(name)
            identity = self.departures.conversations.identity(known, state, answer)
            return self._arrived(known, journey, browser, identity)
        except Stopped as stopped:
            return self._stopped(stopped, journey.flow, linking=journey.sub is not None)

    def _arrived(self, known: Known, journey: Journey, browser: str, identity: Identity) -> Response:
        if journey.sub is not None:
            return self._link(known, journey.sub, identity)
        context = self._context(journey.flow, browser)
        self.second_factor.policy.check(UPSTREAM, context)
        person = self.arrivals.person(known, identity, request.environ.get("idp.peer", ""))

        def last_step(tx: sa.Connection) -> bool:
            return self.arrivals.linked.used(tx, person.sub, identity)

        proven = Proven(person, identity.amr, last_step)
        response = self.second_factor.go_on(context, browser, proven)
        if response is None:
            raise Stopped("changed", "Your account was changed in this very moment. Try again.", status=409)
        return response

    def _link(self, known: Known, sub: str, identity: Identity) -> Response:
        session = self.sessions.find(self.pages.cookie(request, web.SESSION))
        if session is None or session.sub != sub:
            raise Stopped("other", "You are not signed in any more as the person who wanted this link.", status=403)
        self.arrivals.link(known, identity, sub)
        return self.pages.redirect(self.pages.url(LINKED))

    def _context(self, flow: str | None, browser: str | None) -> LoginContext | None:
        if flow is None:
            return None
        context = self.find_context(flow, browser) if browser else None
        if context is None:
            raise PageError("expired", "This login has expired. Go back to the app and start again.")
        return context

    def _stopped(self, stopped: Stopped, flow: str | None, *, linking: bool = False) -> Response:
        """In words, with a way back."""
        trace_id = request.environ.get("idp.request_id", "-")
        log.info("stopped", code=stopped.code, detail=stopped.detail or stopped.description, request_id=trace_id)
        back = self.pages.url(LINKED if linking else "/login") + (f"?flow={flow}" if flow else "")
        return self.pages.render(
            "upstream_stopped.html",
            stopped.status,
            stopped=stopped,
            sentence=i18n.said(stopped.description),
            back=back,
            linking=linking,
            trace_id=trace_id,
        )


def _refuse_odd_names() -> None:
    """What cannot be the name of a provider is asked of no database."""
    if not NAME.match((request.view_args or {}).get("name", "")):
        raise PageError("unknown", "There is no page here.", status=404)
