"""The second step of a login: a passkey, a code of the authenticator app, or one of the recovery codes.

Asked where the person has a passkey or an app, unless they told us to trust this browser and nobody wants more than one factor; and of
everybody where the policy wants two: who has no second one sets it up on the way (`enrolment`). An answer is counted before it is looked at,
and uncounted when it was right, so parallel guesses cannot outrun the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError, TooManyRequests
from idp.marked import N_
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.audit import Audit
from idp.platform.pages import Pages, wait
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login import chain
from idp.users.login.chain import Attempt, LastStep, Proven
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.guesses import Guesses
from idp.users.login.opener import LoginOpener
from idp.users.login.policy import LoginPolicy
from idp.users.login.steps import LoginStep, LoginSteps, added
from idp.users.notices import Notice
from idp.users.passkeys import Passkeys
from idp.users.people import Person
from idp.users.recovery_codes import RecoveryCodes
from idp.users.totp import Authenticators

AMR = ("otp",)
ENROL, MORE = "/login/enrol", "/login/more"
PATHS = {"otp": "/login/otp", "recovery": "/login/recovery", "passkey": "/login/passkey/step", "enrol": ENROL}
_WRONG = {
    "otp": N_("This code is not right, or it was used already. Wait for the next one."),
    "recovery": N_("This recovery code is not right, or it was used already."),
    "passkey": N_("This passkey did not work. Try again, or use another way."),
}
_GONE = N_("This login has expired. Go back and start again.")


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a login under way."""

    step: LoginStep
    person: Person
    context: LoginContext | None
    browser: str


@dataclass(frozen=True, slots=True)
class SecondProof:
    """What the second step proved: its `amr` values (RFC 8176), and what uses it up in the transaction that opens the session."""

    amr: tuple[str, ...]
    use: LastStep


Prove = Callable[[Visit], SecondProof | None]
"""Looks at a posted answer; None when it is not right."""
Facts = Callable[[Visit], Mapping[str, Any]]
"""What the template of a step needs besides what all do."""
UseCode = Callable[[sa.Connection, str, str], bool]


def _no_facts(_visit: Visit) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What the step needs."""

    pages: Pages
    accounts: Accounts
    devices: Devices
    guesses: Guesses
    audit: Audit
    policy: LoginPolicy
    steps: LoginSteps
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    passkeys: Passkeys
    opener: LoginOpener
    find_context: FindContext

    def blueprint(self) -> Blueprint:
        """`/login/otp`, `/login/recovery`, and `/login/more`."""
        rooms = Blueprint("second_factor", __name__)
        rooms.add_url_rule(PATHS["otp"], "otp", self.otp, methods=["GET", "POST"])
        rooms.add_url_rule(PATHS["recovery"], "recovery", self.recovery, methods=["GET", "POST"])
        rooms.add_url_rule(MORE, "more", self.more, methods=["GET"])
        return rooms

    def is_needed(self, tx: sa.Connection, proven: Proven, context: LoginContext | None, device: str | None) -> bool:
        """Whether this login needs a second step."""
        sub = proven.person.sub
        if "mfa" in proven.amr:
            return False
        if self.policy.needs_second_factor(context):
            return True
        return self.has(tx, sub) and (_wants_more(context) or not self.devices.trusts(tx, device, sub))

    def has(self, tx: sa.Connection, sub: str) -> bool:
        """Whether this person has a second factor."""
        return self.authenticators.has(tx, sub) or self.passkeys.has(tx, sub)

    def go_on(self, context: LoginContext | None, browser: str, proven: Proven) -> Response | None:
        """The second step, or the end of the login; None when what was proven was used up, or the person changed, in this very moment."""
        with self.opener.database.read() as tx:
            needs_more = self.is_needed(tx, proven, context, self.pages.cookie(request, web.DEVICE))
        return self.begin(context, browser, proven) if needs_more else self.opener.open(context, proven)

    def begin(self, context: LoginContext | None, browser: str, proven: Proven) -> Response | None:
        """Keep what was proven and ask for a passkey where there is one, else for the code; who has neither sets one up.

        None when what was proven was used up before.
        """
        with self.opener.database.read() as tx:
            first = "passkey" if self.passkeys.has(tx, proven.person.sub) else "otp"
            if not self.has(tx, proven.person.sub):
                first = "enrol"
        step = self.steps.save(browser, context.flow if context else None, proven)
        return None if step is None else self.pages.redirect(f"{self.pages.url(PATHS[first])}?step={step}")

    def more(self) -> Response:
        """Add a second factor to the login there is, for a request that wants one. The time of the login stays what it was."""
        browser = self.pages.cookie(request, web.FLOW)
        context = self.find_context(request.args.get("flow", ""), browser) if browser else None
        if browser is None or context is None:
            raise PageError("expired", _GONE)
        session = self.opener.sessions.find(self.pages.cookie(request, web.SESSION))
        person = self.accounts.find(session.sub) if session else None
        proven = Proven(person, session.amr, session=session.sid) if person and session else None
        begun = self.begin(context, browser, proven) if proven and self._can_add(context, proven) else None
        return begun or self.pages.redirect(f"{self.pages.url('/login')}?flow={context.flow}")

    def _can_add(self, context: LoginContext, proven: Proven) -> bool:
        with self.opener.database.read() as tx:
            there = self.has(tx, proven.person.sub)
        return "mfa" not in proven.amr and (there or self.policy.needs_second_factor(context))

    def otp(self) -> Response:
        """A code of the authenticator app."""
        return self.answer("otp", partial(self._prove_code, self.authenticators.use))

    def recovery(self) -> Response:
        """A recovery code."""
        return self.answer("recovery", partial(self._prove_code, self._use_recovery))

    def answer(self, kind: str, prove: Prove, *, facts: Facts = _no_facts) -> Response:
        """One page of the step: its form, or what was posted."""
        visit = self.visit()
        if request.method == "GET":
            return self._form(kind, visit, facts)
        self.pages.check_form(visit.browser, f"{kind} {visit.step.id}")
        attempt = Attempt(request.form, self.pages.cookie(request, web.DEVICE), request.environ.get("idp.peer", ""))
        try:
            with self.guesses.code(visit.person.sub, attempt) as answer:
                proof = prove(visit)
                response = self._opened(visit, proof) if proof else None
                if response is None:
                    return self._form(kind, visit, facts, alert=i18n.said(_WRONG[kind]), status=400)
                answer.right()
        except TooManyRequests as error:
            refusal = self._form(kind, visit, facts, alert=wait(error), status=429)
            refusal.headers.extend(error.headers)
            return refusal
        return response

    def _opened(self, visit: Visit, proof: SecondProof) -> Response | None:
        def last_step(tx: sa.Connection) -> bool:
            return proof.use(tx) and self.steps.finish(tx, visit.step.id, visit.browser)

        proven = Proven(visit.person, added(visit.step.amr, proof.amr), last_step, visit.step.session)
        return self.opener.open(visit.context, proven, trust=request.form.get("trust") == "yes")

    def _prove_code(self, use: UseCode, visit: Visit) -> SecondProof:
        code = request.form.get("code", "")[:64]
        return SecondProof(AMR, lambda tx: use(tx, visit.person.sub, code))

    def _use_recovery(self, tx: sa.Connection, sub: str, code: str) -> bool:
        used = self.recovery_codes.use(tx, sub, code)
        person = self.accounts.find_tx(tx, sub) if used else None
        if person is not None:
            self.opener.notices.tell(tx, person, Notice.RECOVERY_CODE_USED)
            self.audit.append(tx, "recovery_code.used", sub=sub)
        return used

    def visit(self) -> Visit:
        """The login under way in this browser; raises `PageError` where there is none, or the person changed meanwhile."""
        browser = self.pages.cookie(request, web.FLOW)
        step = self.steps.find(request.values.get("step", ""), browser)
        person = self.accounts.find(step.sub) if step else None
        if step is None or browser is None or person is None or person.is_shut_out or person.version != step.version:
            raise PageError("expired", _GONE)
        context = self.find_context(step.flow, browser) if step.flow else None
        if step.flow and context is None:
            raise PageError("expired", _GONE)
        i18n.hear_person(person.claims.get("locale"))
        return Visit(step, person, context, browser)

    def _form(
        self,
        kind: str,
        visit: Visit,
        facts: Facts,
        *,
        alert: str | None = None,
        status: int = 200,
    ) -> Response:
        context = visit.context
        with self.opener.database.read() as tx:
            has_app = self.authenticators.has(tx, visit.person.sub)
            has_passkey = self.passkeys.has(tx, visit.person.sub)
        return self.pages.render(
            f"{kind}.html",
            status,
            leads_away=True,
            scripted=kind == "passkey",
            context=context,
            person=visit.person,
            step=visit.step.id,
            alert=alert,
            has_app=has_app,
            has_passkey=has_passkey,
            may_trust=not _wants_more(context) and not self.policy.needs_second_factor(context),
            trust_days=self.opener.trust_seconds // 86400,
            csrf=self.pages.csrf_token(visit.browser, f"{kind} {visit.step.id}"),
            cancel_csrf=self.pages.csrf_token(visit.browser, f"cancel {context.flow}") if context else None,
            **facts(visit),
        )


def _wants_more(context: LoginContext | None) -> bool:
    return chain.is_stronger(context.wanted_acr if context else None)
