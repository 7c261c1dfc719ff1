"""The second step of a login: a code of the authenticator app, or one of the recovery codes.

Asked where the person has an authenticator app, unless they told us to trust this browser and nobody wants more than one factor. A code is
counted before it is looked at, and uncounted when it was right, so parallel guesses cannot outrun the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError, TooManyRequests
from idp.platform import pages as web
from idp.platform.audit import Audit
from idp.platform.limits import Limit, Limits
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login import chain
from idp.users.login.chain import Proven
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.opener import LoginOpener
from idp.users.login.steps import LoginStep, LoginSteps, added
from idp.users.login.words import wait
from idp.users.people import Person
from idp.users.recovery_codes import RecoveryCodes
from idp.users.totp import Authenticators

AMR = ("otp",)
_WRONG = {
    "otp": "This code is not right, or it was used already. Wait for the next one.",
    "recovery": "This recovery code is not right, or it was used already.",
}
_GONE = "This login has expired. Go back and start again."


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at a login under way."""

    step: LoginStep
    person: Person
    context: LoginContext | None
    browser: str


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What the step needs; `max_failures` wrong codes a person in `window` seconds."""

    pages: Pages
    accounts: Accounts
    devices: Devices
    limits: Limits
    audit: Audit
    steps: LoginSteps
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    opener: LoginOpener
    find_context: FindContext
    window: int
    max_failures: int

    def blueprint(self) -> Blueprint:
        """`/login/otp` and `/login/recovery`."""
        rooms = Blueprint("second_factor", __name__)
        rooms.add_url_rule("/login/otp", "otp", self.otp, methods=["GET", "POST"])
        rooms.add_url_rule("/login/recovery", "recovery", self.recovery, methods=["GET", "POST"])
        return rooms

    def is_needed(self, tx: sa.Connection, person: Person, context: LoginContext | None, device: str | None) -> bool:
        """Whether this login needs a second step."""
        if not self.authenticators.has(tx, person.sub):
            return False
        return chain.is_stronger(context.wanted_acr if context else None) or not self.devices.trusts(
            tx, device, person.sub
        )

    def begin(self, context: LoginContext | None, browser: str, proven: Proven) -> Response:
        """Keep what was proven and ask for the code."""
        step = self.steps.save(browser, context.flow if context else None, proven)
        return self.pages.redirect(f"{self.pages.url('/login/otp')}?step={step}")

    def otp(self) -> Response:
        """A code of the authenticator app."""
        return self._answer("otp", self.authenticators.use)

    def recovery(self) -> Response:
        """A recovery code."""
        return self._answer("recovery", self.recovery_codes.use)

    def _answer(self, kind: str, use: Callable[[sa.Connection, str, str], bool]) -> Response:
        visit = self._visit()
        if request.method == "GET":
            return self._form(kind, visit)
        self.pages.check_form(visit.browser, f"{kind} {visit.step.id}")
        try:
            settle = self._counted(visit.person)
        except TooManyRequests as error:
            refusal = self._form(kind, visit, alert=wait(error), status=429)
            refusal.headers.extend(error.headers)
            return refusal
        response = self._opened(kind, visit, use)
        if response is None:
            return self._form(kind, visit, alert=_WRONG[kind], status=400)
        settle()
        return response

    def _opened(self, kind: str, visit: _Visit, use: Callable[[sa.Connection, str, str], bool]) -> Response | None:
        def last_step(tx: sa.Connection) -> bool:
            if not use(tx, visit.person.sub, request.form.get("code", "")[:64]):
                return False
            if not self.steps.finish(tx, visit.step.id, visit.browser):
                return False
            if kind == "recovery":
                self.audit.append(tx, "recovery_code.used", sub=visit.person.sub)
            return True

        proven = Proven(visit.person, added(visit.step.amr, AMR))
        return self.opener.open(visit.context, proven, last_step=last_step, trust=request.form.get("trust") == "yes")

    def _counted(self, person: Person) -> Callable[[], None]:
        limit = Limit("second-factor", person.sub, self.max_failures)
        return self.limits.take_each([limit], window=self.window)

    def _visit(self) -> _Visit:
        browser = self.pages.cookie(request, web.FLOW)
        step = self.steps.find(request.values.get("step", ""), browser)
        person = self.accounts.find(step.sub) if step else None
        if step is None or browser is None or person is None or person.disabled or person.version != step.version:
            raise PageError("expired", _GONE)
        context = self.find_context(step.flow, browser) if step.flow else None
        if step.flow and context is None:
            raise PageError("expired", _GONE)
        return _Visit(step, person, context, browser)

    def _form(self, kind: str, visit: _Visit, *, alert: str | None = None, status: int = 200) -> Response:
        context = visit.context
        return self.pages.render(
            f"{kind}.html",
            status,
            leads_away=True,
            context=context,
            person=visit.person,
            step=visit.step.id,
            alert=alert,
            may_trust=not chain.is_stronger(context.wanted_acr if context else None),
            trust_days=self.opener.trust_seconds // 86400,
            csrf=self.pages.csrf_token(visit.browser, f"{kind} {visit.step.id}"),
            cancel_csrf=self.pages.csrf_token(visit.browser, f"cancel {context.flow}") if context else None,
        )
