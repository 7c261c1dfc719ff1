"""`/signup`: an account with a password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.login.admission import Admission, Admitted
from idp.users.login.context import LoginContext, OtherWay, purpose
from idp.users.login.policy import UPSTREAM, LoginPolicy


@dataclass(frozen=True, slots=True)
class SignUpPage:
    """What the page needs; `with_passkey`: whether an account can be made without a password."""

    pages: Pages
    accounts: Accounts
    policy: LoginPolicy
    admission: Admission
    others: Callable[[], Sequence[OtherWay]]
    with_passkey: bool
    min_length: int

    def blueprint(self) -> Blueprint:
        """`/signup`."""
        rooms = Blueprint("signup", __name__)
        rooms.add_url_rule("/signup", "signup", self.sign_up, methods=["GET", "POST"])
        return rooms

    def sign_up(self) -> Response:
        """Ask a stranger to prove their address, or make the account of who did; the person then logs in like everybody else."""
        context = self.admission.context(self.pages.cookie(request, web.FLOW))
        return self.admission.answer(context, self._form, self._form if request.method == "GET" else self._posted)

    def _posted(self, context: LoginContext | None, admitted: Admitted) -> Response:
        browser = self.pages.cookie(request, web.FLOW)
        self.pages.check_form(browser, "signup")
        self.admission.count()
        person = self.admission.draft(admitted)
        hashed = self.accounts.hashed(request.form.get("password", ""), person)
        waiting = self.admission.ask(context, browser or "", person, hashed)
        if waiting is None:
            self.admission.make(admitted, person, hashed=hashed)
        return waiting or self.admission.joined(context)

    def _form(
        self,
        context: LoginContext | None,
        admitted: Admitted,
        *,
        alert: str | None = None,
        wrong: str | None = None,
        status: int = 200,
    ) -> Response:
        browser = self.pages.browser(request)
        response = self.pages.render(
            "signup.html",
            status,
            leads_away=True,
            scripted=True,
            min_length=self.min_length,
            with_passkey=self.with_passkey,
            context=context,
            admitted=admitted,
            others=self._welcoming(context) if admitted.email is None else (),
            login_csrf=self.pages.csrf_token(browser, purpose(context)),
            form=request.form,
            alert=alert,
            wrong_field=wrong,
            csrf=self.pages.csrf_token(browser, "signup"),
        )
        return self.pages.keep_browser(request, response, browser)

    def _welcoming(self, context: LoginContext | None) -> Sequence[OtherWay]:
        """Those whose people may make an account here."""
        if UPSTREAM not in self.policy.offered(context):
            return ()
        return [other for other in self.others() if other.welcomes_strangers]
