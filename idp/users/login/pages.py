"""The login page. It knows who asks only as a `LoginContext`, and leads back to it by its id, never by a `next=` URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.errors import PageError, TooManyRequests
from idp.platform import i18n, spoken
from idp.platform import pages as web
from idp.platform.db import Database
from idp.platform.pages import Pages, wait
from idp.users.accounts import Accounts
from idp.users.login.chain import Attempt, LoginMethod
from idp.users.login.chooser import AccountChooser
from idp.users.login.context import FindContext, LoginContext, OtherWay, purpose
from idp.users.login.opener import LoginOpener
from idp.users.login.passkey import PasskeyMethod
from idp.users.login.password import PasswordMethod
from idp.users.login.policy import PASSKEY, UPSTREAM, LoginPolicy, not_offered
from idp.users.login.second_factor import SecondFactor
from idp.users.people import Person
from idp.users.sessions import Sessions


@dataclass(frozen=True, slots=True)
class LoginPages:
    """What the pages need; `find_context` comes from the floor that asks for logins; `passkey` is None where no browser would know one."""

    pages: Pages
    database: Database
    accounts: Accounts
    sessions: Sessions
    policy: LoginPolicy
    password: PasswordMethod
    passkey: PasskeyMethod | None
    second_factor: SecondFactor
    opener: LoginOpener
    find_context: FindContext
    chooser: AccountChooser
    others: Callable[[], Sequence[OtherWay]]
    welcomes_strangers: bool

    def blueprint(self) -> Blueprint:
        """`/login`, `/` and, where there are such, `/login/passkey`."""
        rooms = Blueprint("login", __name__)
        rooms.add_url_rule("/login", "login", self.login, methods=["GET", "POST"])
        rooms.add_url_rule("/", "home", self.home, methods=["GET"])
        if self.passkey is not None:
            rooms.add_url_rule("/login/passkey", "passkey", self.with_passkey, methods=["POST"])
        return rooms

    def home(self) -> Response:
        """Who is signed in in this browser."""
        session = self.sessions.find(self.pages.cookie(request, web.SESSION))
        person = self.accounts.find(session.sub) if session else None
        if person is not None:
            i18n.hear_person(person.claims.get("locale"))
        return self.pages.render("home.html", person=person, display=_display(person) if person else None)

    def login(self) -> Response:
        """Ask for credentials, or look at those that were posted."""
        browser = self.pages.cookie(request, web.FLOW)
        context = self._context(browser)
        if request.method == "GET":
            return self._form(context, username=self._named(context, request.args.get("account")))
        return self._posted(context, browser, self.password)

    def page(self, context: LoginContext, browser: str) -> Response:
        """The page for who asks, at an address that is not its own; the caller sees to it that the browser keeps its secret."""
        tongues = spoken.elsewhere(self.pages.url("/login"), [("flow", context.flow)])
        return self._page(context, browser, username=self._named(context, None), tongues=tongues)

    def _named(self, context: LoginContext | None, sid: str | None) -> str:
        """The name to fill in: of the account in this browser that was chosen but must sign in again, or the one hinted at."""
        if sid is None and context is not None and context.beside and not context.choosing:
            session = self.sessions.find(self.pages.cookie(request, web.SESSION))
            sid = session.sid if session else None
        return (self.chooser.name_of(sid) if sid else None) or (context.login_hint if context else None) or ""

    def with_passkey(self) -> Response:
        """Look at what a passkey answered."""
        browser = self.pages.cookie(request, web.FLOW)
        if self.passkey is None:
            raise PageError("unknown", "There is no page here.", status=404)
        return self._posted(self._context(browser), browser, self.passkey)

    def _posted(self, context: LoginContext | None, cookie: str | None, method: LoginMethod) -> Response:
        self.policy.check(method.name, context)
        self.pages.check_form(cookie, purpose(context))
        browser, device = cookie or "", self.pages.cookie(request, web.DEVICE)
        username = request.form.get("username", "")
        attempt = Attempt(request.form, device, request.environ.get("idp.peer", ""), browser)
        try:
            proven = method.prove(attempt)
        except TooManyRequests as error:
            refusal = self._form(context, username=username, alert=wait(error), status=429)
            refusal.headers.extend(error.headers)
            return refusal
        answer = None if proven is None else self.second_factor.go_on(context, browser, proven)
        return answer or self._form(context, username=username, alert=i18n.said(method.wrong), status=400)

    def _form(
        self,
        context: LoginContext | None,
        *,
        username: str,
        alert: str | None = None,
        status: int = 200,
    ) -> Response:
        browser, joined = self.pages.browser(request), "joined" in request.args
        folds = "account" not in request.args
        page = self._page(context, browser, status, username=username, alert=alert, folds=folds, joined=joined)
        return self.pages.keep_browser(request, page, browser)

    def _page(
        self,
        context: LoginContext | None,
        browser: str,
        status: int = 200,
        *,
        username: str,
        alert: str | None = None,
        folds: bool = True,
        **more: Any,
    ) -> Response:
        """The page; where accounts can be chosen, `folds` puts the form behind them."""
        methods = self.policy.offered(context)
        if not methods:
            raise not_offered()
        passkey = self.passkey if PASSKEY in methods else None
        accounts = self.chooser.choices(context)
        return self.pages.render(
            "login.html",
            status,
            leads_away=True,
            scripted=passkey is not None,
            context=context,
            methods=methods,
            passkey=passkey.offer(browser) if passkey else None,
            username=username[:254],
            accounts=accounts,
            folded=bool(accounts) and alert is None and folds,
            alert=alert,
            csrf=self.pages.csrf_token(browser, purpose(context)),
            cancel_csrf=self.pages.csrf_token(browser, f"cancel {context.flow}") if context else None,
            signup=self.welcomes_strangers,
            others=self.others() if UPSTREAM in methods else (),
            **more,
        )

    def _context(self, browser: str | None) -> LoginContext | None:
        flow = request.values.get("flow")
        if flow is None:
            return None
        context = self.find_context(flow, browser) if browser else None
        if context is None:
            raise PageError("expired", "This login has expired. Go back to the app and start again.")
        return context


def _display(person: Person) -> str:
    return str(person.claims.get("name") or person.username)
