"""Login by mail: the method, and its pages. A click on the page behind the link counts, never the look at it: mail programs look too.

The link and the code are good in the browser that asked alone. Opened in another one, the link says where to go on, and logs nobody in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.errors import PageError, TooManyRequests
from idp.marked import N_
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import Pages, wait
from idp.users.accounts import is_email
from idp.users.asks import Asker, Asks
from idp.users.email_logins import EmailLogins, Owned
from idp.users.login.chain import Attempt, Proven
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.guesses import Guesses
from idp.users.login.policy import EMAIL, LoginPolicy
from idp.users.login.second_factor import SecondFactor

PATH = "/login/email"
_GONE = N_("This login has expired. Go back and start again.")


class EmailMethod:
    """SPEC: `amr` is `otp` (RFC 8176): a one-time code or link, one factor."""

    name = EMAIL
    wrong = N_("This code is not right, or it was used already.")

    def __init__(self, logins: EmailLogins, guesses: Guesses) -> None:
        self._logins = logins
        self._guesses = guesses

    def prove(self, attempt: Attempt) -> Proven | None:
        with self._guesses.letter(attempt) as answer:
            found = self._found(attempt)
            if found is None or not found.is_of(attempt.browser):
                return None
            answer.right()
        return Proven(found.person, ("otp",), lambda tx: self._logins.finish(tx, found))

    def _found(self, attempt: Attempt) -> Owned | None:
        fields = attempt.fields
        if "token" in fields:
            return self._logins.by_link(fields["token"])
        return self._logins.by_code(fields.get("login", ""), attempt.browser, fields.get("code", "")[:64])


@dataclass(frozen=True, slots=True)
class EmailLoginPages:
    """What the pages need; letters are good for `life` seconds."""

    pages: Pages
    policy: LoginPolicy
    asks: Asks
    logins: EmailLogins
    method: EmailMethod
    second_factor: SecondFactor
    find_context: FindContext
    life: int

    def blueprint(self) -> Blueprint:
        """`/login/email`, and below it the code and the link."""
        rooms = Blueprint("email_login", __name__)
        rooms.add_url_rule(PATH, "ask", self.ask, methods=["GET", "POST"])
        rooms.add_url_rule(f"{PATH}/code", "code", self.code, methods=["GET", "POST"])
        rooms.add_url_rule(f"{PATH}/link", "link", self.link, methods=["GET", "POST"])
        return rooms

    def ask(self) -> Response:
        """Take an address. What follows is the same whether it is known or not."""
        browser, flow = self.pages.cookie(request, web.FLOW), request.values.get("flow")
        context = self._context(flow, browser)
        self.policy.check(EMAIL, context)
        if request.method == "GET":
            return self._ask_form(context)
        self.pages.check_form(browser, _purpose("ask", flow))
        email = request.form.get("email", "").strip()
        if not is_email(email):
            return self._ask_form(context, 400, alert=i18n.gettext("This is not an e-mail address."))
        try:
            self.asks.login(email, Asker(request.environ.get("idp.peer", ""), self.pages.cookie(request, web.DEVICE)))
        except TooManyRequests as error:
            refusal = self._ask_form(context, 429, alert=wait(error))
            refusal.headers.extend(error.headers)
            return refusal
        asked = self.logins.ask(browser or "", flow, email)
        return self.pages.redirect(f"{self.pages.url(PATH)}/code?login={asked}")

    def code(self) -> Response:
        """Ask for the code of the letter, or look at it."""
        browser, asked = self.pages.cookie(request, web.FLOW), request.values.get("login", "")
        login = self.logins.find(asked, browser)
        if login is None:
            raise PageError("expired", _GONE)
        context = self._context(login.flow, browser)
        facts: dict[str, Any] = {"login": asked, "life": self.life}
        if request.method == "GET":
            return self._form("email_code.html", "code", context, **facts)
        try:
            answer = self._proven(context, browser, "code")
        except TooManyRequests as error:
            refusal = self._form("email_code.html", "code", context, 429, alert=wait(error), **facts)
            refusal.headers.extend(error.headers)
            return refusal
        return answer or self._form("email_code.html", "code", context, 400, alert=self.method.wrong, **facts)

    def link(self) -> Response:
        """Ask whether to go on in this browser, where it is the one that asked."""
        browser, secret = self.pages.cookie(request, web.FLOW), request.values.get("token", "")
        login = self.logins.by_link(secret)
        if login is None:
            return self._gone()
        if not login.is_of(browser):
            return self.pages.render("email_elsewhere.html", 200 if request.method == "GET" else 400)
        context = self._context(login.flow, browser)
        if request.method == "GET":
            return self._form("email_link.html", "link", context, token=secret, person=login.person)
        return self._proven(context, browser, "link") or self._gone()

    def _proven(self, context: LoginContext | None, browser: str | None, purpose: str) -> Response | None:
        """The way on after a right answer; None after a wrong one."""
        self.policy.check(EMAIL, context)
        self.pages.check_form(browser, _purpose(purpose, context.flow if context else None))
        device = self.pages.cookie(request, web.DEVICE)
        proven = self.method.prove(Attempt(request.form, device, request.environ.get("idp.peer", ""), browser or ""))
        return None if proven is None else self.second_factor.go_on(context, browser or "", proven)

    def _context(self, flow: str | None, browser: str | None) -> LoginContext | None:
        if flow is None:
            return None
        context = self.find_context(flow, browser) if browser else None
        if context is None:
            raise PageError("expired", _GONE)
        return context

    def _ask_form(self, context: LoginContext | None, status: int = 200, *, alert: str | None = None) -> Response:
        email = request.values.get("email") or (context.login_hint if context else None) or ""
        return self._form("email_login.html", "ask", context, status, email=email[:254], alert=alert)

    def _form(
        self, template: str, purpose: str, context: LoginContext | None, status: int = 200, **facts: Any
    ) -> Response:
        browser = self.pages.browser(request)
        flow = context.flow if context else None
        response = self.pages.render(
            template,
            status,
            leads_away=True,
            context=context,
            csrf=self.pages.csrf_token(browser, _purpose(purpose, flow)),
            cancel_csrf=self.pages.csrf_token(browser, f"cancel {flow}") if context else None,
            **facts,
        )
        return self.pages.keep_browser(request, response, browser)

    def _gone(self) -> Response:
        return self.pages.render("link_gone.html", 400, again=self.pages.url("/login"))


def _purpose(purpose: str, flow: str | None) -> str:
    return f"email {purpose} {flow or ''}"
