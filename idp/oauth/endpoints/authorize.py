"""The authorization endpoint (RFC 6749 §3.1) and the pages between it and the redirect back: resume, cancel, consent.

A request that can be answered at once is; any other is stored, bound to the browser, and comes back to `resume` by its id after each step,
unless a login was all that it waited for: then it is answered with that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import sqlalchemy as sa
import structlog
from flask import Blueprint, Response, request

from idp.clock import Clock
from idp.errors import PageError
from idp.marked import N_
from idp.oauth import consent, redirects, response_types
from idp.oauth import request as requests
from idp.oauth.asking import Asking, Waiting
from idp.oauth.clients import Client
from idp.oauth.consent import Consents
from idp.oauth.details.entries import Entry
from idp.oauth.details.words import AskedDetails
from idp.oauth.flow import Facts, Refusal, Step, next_step
from idp.oauth.issuing import Issued, Issuing
from idp.oauth.pending import Pending, PendingAuthorizations
from idp.oauth.request import AuthorizationRequest, Lookups, RefusedRequest
from idp.oauth.resources import Resource
from idp.oauth.response_modes import AuthorizationResponses, Destination
from idp.oauth.session_state import SessionStates
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.forms import Form, decode_pairs
from idp.platform.pages import Pages
from idp.platform.telemetry import REFUSED
from idp.tokens.status_list_indexes import Reservation
from idp.users.accounts import Accounts
from idp.users.login.context import LoginContext, Onward
from idp.users.login.policy import LoginPolicy
from idp.users.login.second_factor import MORE
from idp.users.people import BrowserSession
from idp.users.seats import Seats
from idp.users.sessions import Sessions

log = structlog.get_logger("idp.authorize")
_GONE = N_("This login has expired or was used already. Go back to the app and start again.")


class _Withdrawn(Exception):
    """The consent that was remembered was taken back in this very moment."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at a request: whose browser, whose session, which stored request if any."""

    asked: AuthorizationRequest
    client: Client
    resources: tuple[Resource, ...]
    session: BrowserSession | None
    pending: Pending | None
    browser: str | None
    consented: bool = False

    @property
    def leaves_tracks(self) -> bool:
        """Whether the answer leaves more than a code, which is nothing before it is redeemed; that makes what was before it last, too."""
        return self.consented or response_types.returns_tokens(self.asked.response_type)


@dataclass(frozen=True, slots=True)
class AuthorizePages:
    """What these pages need; `levels_of` are the `acr` values that a person's logins can reach.

    `login_page` makes the page for whoever asks, in the browser of this secret; without it people are sent there.
    """

    pages: Pages
    database: Database
    clock: Clock
    lookups: Lookups
    asking: Asking
    levels_of: Callable[[str], tuple[str, ...]]
    policy: LoginPolicy
    responses: AuthorizationResponses
    states: SessionStates
    pending: PendingAuthorizations
    consents: Consents
    issuing: Issuing
    details_in_words: Callable[[Sequence[Entry]], Sequence[AskedDetails]]
    sessions: Sessions
    seats: Seats
    accounts: Accounts
    audit: Audit
    login_page: Callable[[LoginContext, str], Response] | None = None

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("authorize", __name__)
        rooms.add_url_rule("/oauth/authorize", "authorize", self.authorize, methods=["GET", "POST"])
        rooms.add_url_rule("/oauth/authorize/resume", "resume", self.resume, methods=["GET"])
        rooms.add_url_rule("/oauth/authorize/cancel", "cancel", self.cancel, methods=["POST"])
        rooms.add_url_rule("/consent", "consent", self.consent, methods=["GET", "POST"])
        return rooms

    # -- the endpoint and its way back ----------------------------------------------------------------------------

    def authorize(self) -> Response:
        """Check the request; answer it at once, or send the person to the next step."""
        raw = request.get_data() if request.method == "POST" else request.query_string
        try:
            asked = requests.check(Form(decode_pairs(raw), requests.REPEATABLE), self.lookups)
        except RefusedRequest as refused:
            if refused.error.detail:
                log.info("refused", code=refused.error.code, detail=refused.error.detail)
            return self._leave(refused.destination, refused.error.code, refused.error.description)
        if request.method == "POST":  # a cross-site POST shows no cookies; the GET after it does
            return self.pages.redirect(self.asking.resume_url(self.pending.save(asked, None).id))
        return self._decide(self._visit(asked, None, self.pages.cookie(request, web.FLOW)))

    def resume(self) -> Response:
        """Look again at a stored request, after a login or a consent."""
        flow, browser = request.args.get("flow", ""), self.pages.browser(request)
        visit = self._of(self.pending.claim(flow, browser), browser)
        return self.pages.keep_browser(request, self._decide(visit), browser)

    def cancel(self) -> Response:
        """The person does not want to: the app is told `access_denied`."""
        visit = self._posted("cancel")
        return self._deny(visit)

    def consent(self) -> Response:
        """Ask the person, or hear the answer."""
        if request.method == "GET":
            visit = self._stored(request.args.get("flow", ""), self.pages.cookie(request, web.FLOW))
            return self._consent_page(visit) if self._step(visit) is Step.CONSENT else self._decide(visit)
        visit = self._posted("consent")
        match request.form.get("decision"):
            case "allow":
                return self._decide(replace(visit, consented=True))
            case "switch":
                return self._switch(visit)
            case _:
                return self._deny(visit)

    # -- what the login pages ask of us ---------------------------------------------------------------------------

    def find_context(self, flow: str, browser: str) -> LoginContext | None:
        """Who asks for the login of this stored request (the login pages' `FindContext`)."""
        pending = self.pending.find(flow, browser)
        if pending is None:
            return None
        i18n.hear(app=pending.request.ui_locales)
        client = self.lookups.client(pending.request.client_id)
        return None if client is None or client.disabled else self.asking.context(pending, client)

    def logged_in(self, tx: sa.Connection, context: LoginContext, session: BrowserSession) -> None:
        """A person has just logged in for a stored request (the login pages' `Asker`)."""
        self.pending.logged_in(tx, context.flow, session.sid)

    def answer(self, tx: sa.Connection, context: LoginContext, session: BrowserSession) -> Onward | None:
        """Answer a stored request with the login that it waited for, if a code is all it wants (the login pages' `Asker`).

        Other connections are not to be asked within this transaction; what needs them goes on at `resume`.
        """
        waiting = context.waiting
        if not isinstance(waiting, Waiting):
            return None
        pending, asked = replace(waiting.pending, logged_in_sid=session.sid), waiting.pending.request
        if asked.response_type != "code" or asked.acr_values:
            return None
        visit = self._visit_of(asked, waiting.client, pending, None, session)
        if visit is None or self._step(visit, tx) is not Step.ISSUE:
            return None
        self.pending.answered(tx, pending.id, session.sid)
        self.sessions.takes_part(tx, session.sid, visit.client.client_id)
        issued = self.issuing.write(tx, asked, visit.client, session, None)
        return lambda cookie: self._send(visit, issued, self.states.of_new(asked, cookie))

    def chosen(self, tx: sa.Connection, context: LoginContext, session: BrowserSession) -> None:
        """A person has just chosen an account for a stored request (the chooser's `Chosen`)."""
        self.pending.chosen(tx, context.flow, session.sid)

    # -- steps ----------------------------------------------------------------------------------------------------

    def _visit(self, asked: AuthorizationRequest, pending: Pending | None, browser: str | None) -> _Visit:
        hint = None if "select_account" in asked.prompt else asked.login_hint
        client, session = self.lookups.client(asked.client_id), self.seats.meant(asked.subs, hint)
        visit = self._visit_of(asked, client, pending, browser, session)
        if visit is None:
            raise PageError("expired", _GONE)
        return visit

    def _visit_of(
        self,
        asked: AuthorizationRequest,
        client: Client | None,
        pending: Pending | None,
        browser: str | None,
        session: BrowserSession | None,
    ) -> _Visit | None:
        """The look at a request in this session; None when what it asks for is gone."""
        found = [self.lookups.resource(uri) for uri in asked.audiences]
        resources = tuple(resource for resource in found if resource is not None)
        if client is None or client.disabled or len(resources) != len(found):
            return None
        return _Visit(asked, client, resources, session, pending, browser)

    def _stored(self, flow: str, browser: str | None) -> _Visit:
        return self._of(self.pending.find(flow, browser), browser)

    def _of(self, pending: Pending | None, browser: str | None) -> _Visit:
        """The look at a stored request; from here on the languages it asks for count."""
        if pending is None:
            raise PageError("expired", _GONE)
        i18n.hear(app=pending.request.ui_locales)
        return self._visit(pending.request, pending, browser)

    def _posted(self, purpose: str) -> _Visit:
        """A form that we sent to this browser for this request, and for consent: to this person."""
        browser, flow = self.pages.cookie(request, web.FLOW), request.form.get("flow", "")
        visit = self._stored(flow, browser)
        sub = visit.session.sub if visit.session and purpose == "consent" else None
        self.pages.check_form(browser, " ".join(filter(None, (purpose, flow, sub))))
        return visit

    def _step(self, visit: _Visit, tx: sa.Connection | None = None) -> Step | Refusal:
        return next_step(self._facts(visit, tx))

    def _facts(self, visit: _Visit, tx: sa.Connection | None) -> Facts:
        session, asked = visit.session, visit.asked
        logged_in = visit.pending.logged_in_sid if visit.pending else None
        two = self.policy.second_factor or visit.client.second_factor
        provable = not (visit.client.is_public and redirects.is_unproven(asked.redirect_uri))
        return Facts(
            now=self.clock.now(),
            sub=session.sub if session else None,
            auth_time=session.auth_time if session else None,
            fresh=session is not None and logged_in == session.sid,
            consented=visit.consented,
            remembered=session is not None
            and provable
            and not visit.client.trusted
            and self._remembered(visit, session, tx),
            trusted=visit.client.trusted,
            provable=provable,
            prompt=frozenset(asked.prompt),
            max_age=asked.max_age,
            subs=frozenset(asked.subs),
            acr=session.acr if session else None,
            wanted_acr=asked.acr_values,
            essential_acr=asked.acr_essential,
            reachable_acr=self.levels_of(session.sub)
            if session and asked.acr_values and not two
            else self.asking.levels,
            detailed=bool(asked.authorization_details),
            foreign=session is not None and not self.policy.allows(session.amr, visit.client.login_methods),
            needs_factor=session is not None and two and "mfa" not in session.amr,
            chosen=session is not None and visit.pending is not None and visit.pending.chosen_sid == session.sid,
        )

    def _remembered(self, visit: _Visit, session: BrowserSession, tx: sa.Connection | None) -> bool:
        """Within a transaction nobody takes it back before that ends."""
        with nullcontext(tx) if tx is not None else self.database.read() as asking:
            return self.consents.covers(asking, session.sub, visit.asked, visit.resources, hold=tx is not None)

    def _decide(self, visit: _Visit) -> Response:
        step = self._step(visit)
        match step:
            case Refusal():
                return self._refuse(visit, step)
            case Step.ISSUE if visit.session is not None:
                return self._issue(visit, visit.session)
            case Step.CONSENT:
                return self._brought(visit, "/consent")
            case Step.SIGN_UP:
                return self._go(visit, "/signup")
            case Step.STEP_UP:
                return self._brought(visit, MORE)
            case _:
                return self._login(visit)

    def _go(self, visit: _Visit, path: str) -> Response:
        """Send the person to a page, with the request stored."""
        return self._keeping(
            visit, lambda pending, _browser: self.pages.redirect(f"{self.pages.url(path)}?flow={pending.id}")
        )

    def _login(self, visit: _Visit) -> Response:
        """The login page itself, which saves the browser a way; the answer to a form has an address of its own to lead to."""
        page = self.login_page
        if page is None or request.method != "GET":
            return self._go(visit, "/login")
        i18n.hear(app=visit.asked.ui_locales)
        return self._keeping(visit, lambda pending, browser: page(self.asking.context(pending, visit.client), browser))

    def _keeping(self, visit: _Visit, make: Callable[[Pending, str], Response]) -> Response:
        """What `make` makes of the stored request and the browser's secret; a request that is not stored yet is, and the browser gets its secret."""
        browser = visit.browser or self.pages.browser(request)
        if visit.pending is not None:
            return make(visit.pending, browser)
        return self.pages.keep_browser(request, make(self.pending.save(visit.asked, browser), browser), browser)

    def _brought(self, visit: _Visit, path: str) -> Response:
        """To a page for the person of this visit, who is active from there on."""
        response = self._go(visit, path)
        if visit.session is not None:
            self.seats.bring(response, visit.session)
        return response

    def _switch(self, visit: _Visit) -> Response:
        """The person wants to be somebody else, beside who they are."""
        if visit.pending is not None:
            with self.database.write(durable=False) as tx:
                self.pending.chosen(tx, visit.pending.id, "")
        return self._go(visit, "/login")

    def _consent_page(self, visit: _Visit) -> Response:
        person = self.accounts.find(visit.session.sub) if visit.session else None
        if person is None or visit.pending is None:
            raise PageError("expired", _GONE)
        i18n.hear_person(person.claims.get("locale"))
        return self.pages.render(
            "consent.html",
            leads_away=True,
            context=self.asking.context(visit.pending, visit.client),
            person=person,
            groups=consent.in_words(visit.asked.to_allow, visit.resources),
            details=self.details_in_words(visit.asked.authorization_details),
            csrf=self.pages.csrf_token(visit.browser or "", f"consent {visit.pending.id} {person.sub}"),
        )

    def _issue(self, visit: _Visit, session: BrowserSession) -> Response:
        reserved = self.issuing.reserve(visit.asked, visit.client)
        try:
            with self.database.write(durable=visit.leaves_tracks) as tx:
                joined = self.sessions.join(tx, session.sid, visit.client.client_id)
                issued = self._write(tx, visit, session, reserved) if joined else None
        except _Withdrawn:
            return self._decide(visit)
        if issued is None:  # logged out in this very moment
            return self._decide(replace(visit, session=None))
        return self._send(visit, issued, self._state(visit))

    def _send(self, visit: _Visit, issued: Issued, state: Mapping[str, str]) -> Response:
        return self.responses.send(visit.asked.destination, {**self.issuing.parameters(issued), **state})

    def _write(self, tx: sa.Connection, visit: _Visit, session: BrowserSession, reserved: Reservation | None) -> Issued:
        asked, settled = visit.asked, visit.consented or visit.client.trusted
        if not settled and not self.consents.covers(tx, session.sub, asked, visit.resources, hold=True):
            raise _Withdrawn
        if visit.pending and not self.pending.use(tx, visit.pending.id, visit.browser or ""):
            raise PageError("expired", _GONE)
        issued = self.issuing.write(tx, asked, visit.client, session, reserved)
        if visit.consented:
            self.consents.remember(tx, session.sub, asked, visit.resources)
            self.audit.append(
                tx,
                "consent",
                sub=session.sub,
                client_id=asked.client_id,
                session=session.sid,
                scope=" ".join(asked.to_allow),
                authorization_details=list(asked.authorization_details) or None,
            )
        return issued

    def _deny(self, visit: _Visit) -> Response:
        return self._refuse(visit, Refusal("access_denied", "The person did not allow it"))

    def _refuse(self, visit: _Visit, refusal: Refusal) -> Response:
        if visit.pending:
            with self.database.write() as tx:
                if not self.pending.use(tx, visit.pending.id, visit.browser or ""):
                    raise PageError("expired", _GONE)
        return self._leave(visit.asked.destination, refusal.code, refusal.description, self._state(visit))

    def _state(self, visit: _Visit) -> Mapping[str, str]:
        return self.states.parameters(visit.asked, visit.session)

    def _leave(self, to: Destination, code: str, description: str, state: Mapping[str, str] | None = None) -> Response:
        """Back to the app with an error (RFC 6749 §4.1.2.1)."""
        request.environ[REFUSED] = code
        return self.responses.send(to, {"error": code, "error_description": description or None, **(state or {})})
