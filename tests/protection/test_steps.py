"""The steps of a login: none out of order, none in another browser, none twice, and of a thousand at once one counts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyotp
import pytest
import requests

from tests.protection.people import Someone, earlier, opened, secret_on
from tests.support import databases
from tests.support.crowds import crowd
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letter_about, link_in

MANY = {"code_max_failures": "100000", "login_max_failures": "100000", "login_max_failures_per_address": "100000"}
MAIL = {"email_login": "true", "email_login_max_per_address": "1000", "reset_max_per_address": "1000"}
NEW_PASSWORD = "another horse 47 staple"


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that lets people guess as often as they like, so that nothing but its steps is in the way."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("steps"), url, **MANY, **MAIL))


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> App:
    return App(idp.url, idp.client(client_name="App", redirect_uris=["https://app.test/callback"]))


@pytest.fixture(scope="module")
def bank(idp: RunningIdp) -> App:
    metadata = {"redirect_uris": ["https://bank.test/callback"], "second_factor": "required"}
    return App(idp.url, idp.client(client_name="Bank", **metadata))


@dataclass(frozen=True)
class Ready:
    """A step that is about to be taken: the form in its browser, and what the person would type."""

    browser: Browser
    page: Page
    form: str
    fields: Mapping[str, str]

    def take(self) -> requests.Response:
        form = self.page.forms[self.form]
        return self.browser.http.post(
            form.action, data={**form.fields, **self.fields}, allow_redirects=False, timeout=30
        )


def typed_password(app: App, someone: Someone) -> tuple[Browser, Page]:
    browser = Browser(app.idp)
    page, _ = opened(app, browser)
    return browser, Page(browser.submit(page, "login", username=someone.name, password=PASSWORD))


def password(app: App, _bank: App, someone: Someone) -> Ready:
    browser = Browser(app.idp)
    page, _ = opened(app, browser)
    return Ready(browser, page, "login", {"username": someone.name, "password": PASSWORD})


def code_of_the_app(app: App, _bank: App, someone: Someone) -> Ready:
    secret, _ = someone.enrol(Browser(app.idp))
    browser, page = typed_password(app, someone)
    return Ready(browser, page, "otp", {"code": pyotp.TOTP(secret).now()})


def code_without_an_app(app: App, _bank: App, someone: Someone) -> Ready:
    """A login that nobody waits for: nothing but the step itself ties it to its browser."""
    secret, _ = someone.enrol(Browser(app.idp))
    browser = Browser(app.idp)
    page = Page(browser.open(f"{app.idp}/login"))
    page = Page(browser.submit(page, "login", username=someone.name, password=PASSWORD))
    return Ready(browser, page, "otp", {"code": pyotp.TOTP(secret).now()})


def recovery_code(app: App, _bank: App, someone: Someone) -> Ready:
    _, codes = someone.enrol(Browser(app.idp))
    browser, page = typed_password(app, someone)
    page = Page(browser.open(f"{app.idp}/login/recovery?step={page.forms['otp'].fields['step']}"))
    return Ready(browser, page, "recovery", {"code": codes[0]})


def enrolment(_app: App, bank: App, someone: Someone) -> Ready:
    browser, page = typed_password(bank, someone)
    return Ready(browser, page, "enrol", {"code": earlier(secret_on(page))})


def _mailed(app: App, someone: Someone) -> tuple[Browser, Page, str, str]:
    browser = Browser(app.idp)
    page, _ = opened(app, browser)
    flow = page.forms["login"].fields["flow"]
    page = Page(browser.open(f"{app.idp}/login/email?flow={flow}"))
    page = Page(browser.submit(page, "email-login", email=someone.address))
    letter = letter_about(someone.idp, someone.address, "code to sign in")
    body = letter.get_body(("plain",))
    assert body is not None
    return browser, page, re.findall(r"^(\d{4} \d{4})\s*$", body.get_content(), re.MULTILINE)[0], link_in(letter)


def mailed_code(app: App, _bank: App, someone: Someone) -> Ready:
    browser, page, code, _ = _mailed(app, someone)
    return Ready(browser, page, "email-code", {"code": code})


def mailed_link(app: App, _bank: App, someone: Someone) -> Ready:
    browser, _, _, link = _mailed(app, someone)
    return Ready(browser, Page(browser.open(link)), "email-link", {})


def consent(app: App, _bank: App, someone: Someone) -> Ready:
    browser, page = typed_password(app, someone)
    return Ready(browser, page, "consent", {"decision": "allow"})


Step = Callable[[App, App, Someone], Ready]
STEPS: tuple[Step, ...] = (
    password,
    code_of_the_app,
    code_without_an_app,
    recovery_code,
    enrolment,
    mailed_code,
    mailed_link,
    consent,
)
USED_UP = tuple(step for step in STEPS if step is not password)
"""A password is good more than once; every other step is taken once."""


@pytest.fixture
def someone(idp: RunningIdp) -> Someone:
    return Someone.new(idp)


def went_on(response: requests.Response) -> bool:
    """Whether the step was taken: a redirect, or the page that shows the recovery codes of what was set up."""
    return response.status_code == 303 or "recovery-codes" in response.text


@pytest.mark.parametrize("step", STEPS)
def test_a_step_belongs_to_its_browser(app: App, bank: App, someone: Someone, step: Step) -> None:
    ready = step(app, bank, someone)
    thief = Browser(app.idp)
    opened(app, thief)
    looked = thief.http.get(ready.page.response.url, timeout=30)
    assert ready.form not in Page(looked).forms
    for cookies in ({}, thief.http.cookies.get_dict()):
        thief.http.cookies.clear()
        thief.http.cookies.update(cookies)
        stolen = Ready(thief, ready.page, ready.form, ready.fields).take()
        assert stolen.status_code in {400, 403}
        assert "idp-session" not in thief.http.cookies
    assert went_on(ready.take()), "and is still good there"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_taken_with_its_own_form_alone(app: App, bank: App, someone: Someone, step: Step) -> None:
    ready = step(app, bank, someone)
    form = ready.page.forms[ready.form]
    kept = dict(form.fields)
    for name in kept.keys() & {"csrf", "flow", "step", "login", "token"}:
        form.fields[name] = "0" * len(kept[name])
        assert ready.take().status_code == 400
        form.fields[name] = kept[name]
    assert went_on(ready.take())


@pytest.mark.parametrize("step", USED_UP)
def test_a_step_is_taken_once(app: App, bank: App, someone: Someone, step: Step) -> None:
    ready = step(app, bank, someone)
    assert went_on(ready.take())
    before = ready.browser.http.cookies.get_dict()
    again = ready.take()
    assert not went_on(again)
    assert again.status_code == 400
    assert ready.browser.http.cookies.get_dict() == before


PAGES = (
    "/login/otp",
    "/login/recovery",
    "/login/enrol",
    "/login/email/code",
    "/login/email/link",
    "/login/return",
    "/login/more",
    "/consent",
    "/oauth/authorize/resume",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["", "?step=x", "?step=%00", "?flow=x", "?login=x&token=x"])
def test_no_page_of_a_login_opens_out_of_order(idp: RunningIdp, path: str, query: str) -> None:
    for browser in (Browser(idp.url), Browser(idp.url)):
        browser.open(f"{idp.url}/login")
        response = browser.http.get(f"{idp.url}{path}{query}", timeout=30)
        assert response.status_code == 400
        assert "<main" in response.text
        posted = browser.http.post(f"{idp.url}{path}{query}", data={"code": "1", "csrf": "x"}, timeout=30)
        assert posted.status_code in {400, 405}
        assert "idp-session" not in browser.http.cookies


# -- a thousand at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [recovery_code, code_of_the_app])
def test_of_a_thousand_uses_of_one_code_in_many_browsers_one_counts(
    app: App, bank: App, someone: Someone, step: Step
) -> None:
    first = step(app, bank, someone)
    ready = [(first.page.forms[first.form], first.browser.http.cookies.get_dict())]
    for _ in range(9):
        browser, page = typed_password(app, someone)
        query = f"?step={page.forms['otp'].fields['step']}"
        page = Page(browser.open(first.page.response.url.partition("?")[0] + query))
        ready.append((page.forms[first.form], browser.http.cookies.get_dict()))
    statuses = [answer.status_code for answer in crowd(ready, **first.fields)]
    assert (statuses.count(303), statuses.count(400)) == (1, 999)


def test_of_a_thousand_consents_to_one_request_one_counts(app: App, bank: App, someone: Someone) -> None:
    ready = consent(app, bank, someone)
    answers = crowd([(ready.page.forms["consent"], ready.browser.http.cookies.get_dict())], **ready.fields)
    codes = [answer.headers["Location"] for answer in answers if answer.status_code == 303]
    assert len(codes) == 1
    assert "code=" in codes[0]


def test_of_a_thousand_uses_of_one_link_to_a_new_password_one_counts(idp: RunningIdp, someone: Someone) -> None:
    browser = Browser(idp.url)
    browser.submit(Page(browser.open(f"{idp.url}/password/forgot")), "forgot", email=someone.address)
    page = Page(browser.open(link_in(letter_about(idp, someone.address, "password"))))
    answers = crowd([(page.forms["reset"], browser.http.cookies.get_dict())], password=NEW_PASSWORD)
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
