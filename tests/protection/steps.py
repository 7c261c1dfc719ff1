"""Every step of a login, about to be taken: what the tests of steps take out of order, twice, elsewhere and at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyotp
import requests

from tests.passkeys.holder import FORM, Holder, options_of
from tests.protection.people import Someone, opened, secret_on
from tests.support.authenticator import Authenticator
from tests.support.flows import App, Browser, HtmlForm, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.upstream.support import Upstream, location
from tests.users.mail import letter_about, link_in


@dataclass(frozen=True)
class World:
    """A provider with an app, a bank that wants two factors of everybody, and another provider at which people have accounts."""

    idp: RunningIdp
    app: App
    bank: App
    upstream: Upstream


@dataclass(frozen=True)
class Ready:
    """A step that is about to be taken: the form in its browser, and what the person would type."""

    browser: Browser
    page: Page
    form: str
    fields: Mapping[str, str]
    method: str = "POST"

    def take(self) -> requests.Response:
        return self._sent(self.browser.http)

    def taken_by(self, cookies: Mapping[str, str]) -> requests.Response:
        """Sent by somebody with these cookies."""
        with requests.Session() as http:
            http.headers["Accept"] = "text/html"
            http.cookies.update(cookies)
            return self._sent(http)

    def _sent(self, http: requests.Session) -> requests.Response:
        form = self.page.forms[self.form]
        where = "params" if self.method == "GET" else "data"
        sent = {where: {**form.fields, **self.fields}}
        return http.request(self.method, form.action, **sent, allow_redirects=False, timeout=60)


def typed_password(app: App, someone: Someone) -> tuple[Browser, Page]:
    browser = Browser(app.idp)
    page, _ = opened(app, browser)
    return browser, Page(browser.submit(page, "login", username=someone.name, password=PASSWORD))


def password(world: World, someone: Someone) -> Ready:
    browser = Browser(world.idp.url)
    page, _ = opened(world.app, browser)
    return Ready(browser, page, "login", {"username": someone.name, "password": PASSWORD})


def code_of_the_app(world: World, someone: Someone) -> Ready:
    secret, _ = someone.enrol(Browser(world.idp.url))
    browser, page = typed_password(world.app, someone)
    return Ready(browser, page, "otp", {"code": pyotp.TOTP(secret).now()})


def code_without_an_app(world: World, someone: Someone) -> Ready:
    """A login that nobody waits for: nothing but the step itself ties it to its browser."""
    secret, _ = someone.enrol(Browser(world.idp.url))
    browser = Browser(world.idp.url)
    page = Page(browser.open(f"{world.idp.url}/login"))
    page = Page(browser.submit(page, "login", username=someone.name, password=PASSWORD))
    return Ready(browser, page, "otp", {"code": pyotp.TOTP(secret).now()})


def recovery_code(world: World, someone: Someone) -> Ready:
    _, codes = someone.enrol(Browser(world.idp.url))
    browser, page = typed_password(world.app, someone)
    page = Page(browser.open(f"{world.idp.url}/login/recovery?step={page.forms['otp'].fields['step']}"))
    return Ready(browser, page, "recovery", {"code": codes[0]})


def enrolment(world: World, someone: Someone) -> Ready:
    browser, page = typed_password(world.bank, someone)
    return Ready(browser, page, "enrol", {"code": pyotp.TOTP(secret_on(page)).now()})


def _mailed(world: World, someone: Someone) -> tuple[Browser, Page, str, str]:
    browser = Browser(world.idp.url)
    page, _ = opened(world.app, browser)
    flow = page.forms["login"].fields["flow"]
    page = Page(browser.open(f"{world.idp.url}/login/email?flow={flow}"))
    page = Page(browser.submit(page, "email-login", email=someone.address))
    letter = letter_about(someone.idp, someone.address, "code to sign in")
    body = letter.get_body(("plain",))
    assert body is not None
    return browser, page, re.findall(r"^(\d{4} \d{4})\s*$", body.get_content(), re.MULTILINE)[0], link_in(letter)


def mailed_code(world: World, someone: Someone) -> Ready:
    browser, page, code, _ = _mailed(world, someone)
    return Ready(browser, page, "email-code", {"code": code})


def mailed_link(world: World, someone: Someone) -> Ready:
    browser, _, _, link = _mailed(world, someone)
    return Ready(browser, Page(browser.open(link)), "email-link", {})


def consent(world: World, someone: Someone) -> Ready:
    browser, page = typed_password(world.app, someone)
    return Ready(browser, page, "consent", {"decision": "allow"})


def passkey(world: World, someone: Someone) -> Ready:
    """A passkey alone."""
    holder, browser = Holder.enrolled(world.idp, someone.name), Browser(world.idp.url)
    page, _ = opened(world.app, browser)
    return Ready(browser, page, FORM, {"response": holder.authenticator.get(options_of(page.response))})


def passkey_after_the_password(world: World, someone: Someone) -> Ready:
    holder = Holder.enrolled(world.idp, someone.name)
    browser, page = typed_password(world.app, someone)
    return Ready(browser, page, FORM, {"response": holder.authenticator.get(options_of(page.response))})


def enrolment_of_a_passkey(world: World, someone: Someone) -> Ready:
    browser, page = typed_password(world.bank, someone)
    page = Page(browser.open(f"{world.idp.url}/login/enrol/passkey?step={page.forms['enrol'].fields['step']}"))
    made = Authenticator(world.idp.url).create(options_of(page.response))
    return Ready(browser, page, "enrol-passkey", {"response": made})


def coming_back(world: World, someone: Someone) -> Ready:
    """Somebody who closed their account wants it back."""
    leaving = Browser(world.idp.url)
    page = Page(someone.sign_in(leaving, "/account/close"))
    leaving.submit(page, "close-disable", sure="yes")
    browser, page = typed_password(world.app, someone)
    return Ready(browser, page, "return", {})


def departure(world: World, someone: Someone) -> Ready:
    """The button that leads to the other provider."""
    browser = Browser(world.idp.url)
    page, _ = opened(world.app, browser)
    return Ready(browser, page, f"upstream-{world.upstream.name}", {})


def arrival(world: World, someone: Someone) -> Ready:
    """What the other provider sent the browser back with; it knows their address to be theirs."""
    leaving = departure(world, someone)
    return _arriving(world, someone, leaving.browser, location(leaving.take()))


def posted_arrival(world: World, someone: Someone) -> Ready:
    """The same by form post, which shows no cookies: the GET after it does."""
    ready = arrival(world, someone)
    form = ready.page.forms[ready.form]
    posted = requests.post(form.action, data=form.fields, allow_redirects=False, timeout=30)
    assert location(posted).startswith(form.action)
    form.fields = {"state": form.fields["state"]}
    return ready


def link(world: World, someone: Someone) -> Ready:
    """An account at the other provider that is to open the one here, too."""
    browser = Browser(world.idp.url)
    page = Page(someone.sign_in(browser, "/account/linked"))
    return _arriving(world, someone, browser, location(browser.submit(page, f"link-{world.upstream.name}")))


def _arriving(world: World, someone: Someone, browser: Browser, url: str) -> Ready:
    world.upstream.provider.person = {"sub": someone.sub, "email": someone.address, "email_verified": True}
    page = Page(browser.open(f"{world.idp.url}/login"))
    page.forms["callback"] = HtmlForm(world.upstream.callback, world.upstream.provider.authorize(url))
    return Ready(browser, page, "callback", {}, "GET")


Step = Callable[[World, Someone], Ready]
STEPS: tuple[Step, ...] = (
    password,
    code_of_the_app,
    code_without_an_app,
    recovery_code,
    enrolment,
    mailed_code,
    mailed_link,
    consent,
    passkey,
    passkey_after_the_password,
    enrolment_of_a_passkey,
    coming_back,
    departure,
    arrival,
    posted_arrival,
    link,
)
USED_UP = tuple(step for step in STEPS if step not in {password, departure})
"""A password is good more than once, and a button may be pressed again; every other step is taken once."""
