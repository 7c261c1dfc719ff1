"""The login and sign-up pages. They know who asks only as a `LoginContext`, and lead back to it by its id, never by a `next=` URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response, request

from idp.errors import PageError, Refused, TooManyRequests
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.db import Database
from idp.platform.limits import Limits
from idp.platform.pages import Pages, wait
from idp.platform.throttle import line_of
from idp.users.accounts import Accounts
from idp.users.login.admission import Admission, Admitted
from idp.users.login.chain import Attempt, LoginMethod
from idp.users.login.chooser import AccountChooser
from idp.users.login.context import FindContext, LoginContext, OtherWay, purpose
from idp.users.login.opener import LoginOpener
from idp.users.login.passkey import PasskeyMethod
from idp.users.login.password import PasswordMethod
from idp.users.login.policy import PASSKEY, UPSTREAM, LoginPolicy, not_offered
from idp.users.login.second_factor import SecondFactor
from idp.users.login.words import sentence
from idp.users.people import Person
from idp.users.sessions import Sessions

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class LoginPages:
    """What the pages need; `find_context` comes from the floor that asks for logins; `passkey` is None where no browser would know one."""

    pages: Pages
    database: Database
    accounts: Accounts
    sessions: Sessions
    limits: Limits
    policy: LoginPolicy
    password: PasswordMethod
    passkey: PasskeyMethod | None
    second_factor: SecondFactor
    opener: LoginOpener
    find_context: FindContext
    chooser: AccountChooser
    admission: Admission | None
    others: Callable[[], Sequence[OtherWay]]
    signup_max: int
    min_length: int

    def blueprint(self) -> Blueprint:
        """`/login`, `/` and, where there are such, `/login/passkey` and `/signup`."""
        rooms = Blueprint("login", __name__)
        rooms.add_url_rule("/login", "login", self.login, methods=["GET", "POST"])
        rooms.add_url_rule("/", "home", self.home, methods=["GET"])
        if self.passkey is not None:
            rooms.add_url_rule("/login/passkey", "passkey", self.with_passkey, methods=["POST"])
        if self.admission is not None:
            rooms.add_url_rule("/signup", "signup", self.sign_up, methods=["GET", "POST"])
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
            return self._form(context, username=self._named(context))
        return self._posted(context, browser, self.password)

    def _named(self, context: LoginContext | None) -> str:
        """The name to fill in: of the account in this browser that was chosen but must sign in again, or the one hinted at."""
        sid = request.args.get("account")
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
        browser, methods = self.pages.browser(request), self.policy.offered(context)
        if not methods:
            raise not_offered()
        passkey = self.passkey if PASSKEY in methods else None
        accounts = self.chooser.choices(context)
        response = self.pages.render(
            "login.html",
            status,
            leads_away=True,
            scripted=passkey is not None,
            context=context,
            methods=methods,
            passkey=passkey.offer(browser) if passkey else None,
            username=username[:254],
            accounts=accounts,
            folded=bool(accounts) and alert is None and "account" not in request.args,
            alert=alert,
            csrf=self.pages.csrf_token(browser, purpose(context)),
            cancel_csrf=self.pages.csrf_token(browser, f"cancel {context.flow}") if context else None,
            signup=self.admission is not None and self.admission.open,
            others=self.others() if UPSTREAM in methods else (),
        )
        return self.pages.keep_browser(request, response, browser)

    def sign_up(self) -> Response:
        """Make an account; the person then logs in like everybody else."""
        browser = self.pages.cookie(request, web.FLOW)
        context = self._context(browser)
        if self.admission is None:
            raise PageError("unknown", "There is no page here.", status=404)
        admitted = self.admission.admitted()
        if admitted is None:
            return self.admission.refusal(context)
        if request.method == "GET":
            return self._signup_form(context, admitted)
        self.pages.check_form(browser, "signup")
        self.limits.take("signup", line_of(request.environ.get("idp.peer", "")), limit=self.signup_max, window=_HOUR)
        form = request.form
        try:
            self.accounts.create(
                username=form.get("username", "").strip(),
                password=form.get("password", ""),
                claims={"name": form["name"].strip()} if form.get("name", "").strip() else {},
                also=partial(self.admission.arrive, admitted),
                **admitted.facts(),
            )
        except Refused as error:
            return self._signup_form(context, admitted, alert=sentence(error), status=400)
        flow = f"&flow={context.flow}" if context else ""
        return self.pages.redirect(f"{self.pages.url('/login')}?joined=1{flow}")

    def _signup_form(
        self, context: LoginContext | None, admitted: Admitted, *, alert: str | None = None, status: int = 200
    ) -> Response:
        browser = self.pages.browser(request)
        response = self.pages.render(
            "signup.html",
            status,
            leads_away=True,
            scripted=True,
            min_length=self.min_length,
            with_passkey=self.passkey is not None and PASSKEY in self.policy.methods,
            context=context,
            admitted=admitted,
            others=self._welcoming(context) if admitted.invitation is None else (),
            login_csrf=self.pages.csrf_token(browser, purpose(context)),
            form=request.form,
            alert=alert,
            csrf=self.pages.csrf_token(browser, "signup"),
        )
        return self.pages.keep_browser(request, response, browser)

    def _welcoming(self, context: LoginContext | None) -> Sequence[OtherWay]:
        """Those whose people may make an account here."""
        if UPSTREAM not in self.policy.offered(context):
            return ()
        return [other for other in self.others() if other.welcomes_strangers]

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
