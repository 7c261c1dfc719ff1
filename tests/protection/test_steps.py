"""The steps of a login: none out of order, none in another browser, none twice, and of many at once one counts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sqlalchemy as sa

from idp.platform.db import Model
from tests.passkeys.holder import database_of
from tests.protection.people import Someone, opened
from tests.protection.steps import (
    STEPS,
    USED_UP,
    Ready,
    Step,
    World,
    code_of_the_app,
    consent,
    recovery_code,
    typed_password,
)
from tests.support import databases
from tests.support.crowds import crowd
from tests.support.flows import App, Browser, Page
from tests.support.provider import Provider
from tests.support.running import RunningIdp
from tests.upstream.support import Upstream
from tests.users.mail import letter_about, link_in

MANY = {"code_max_failures": "100000", "login_max_failures": "100000", "login_max_failures_per_address": "100000"}
MAIL = {"email_login": "true", "email_login_max_per_address": "1000", "reset_max_per_address": "1000"}
NEW_PASSWORD = "another horse 47 staple"
AT_ONCE = 12
ELSEWHERE = {"throttles", "counters", "jobs", "outbox"}
SAID = r'data-page="(link_gone|email_elsewhere)"'


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that lets people guess as often as they like, so that nothing but its steps is in the way."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("steps"), url, host="localhost", **MANY, **MAIL))


@pytest.fixture(scope="module")
def world(idp: RunningIdp) -> Iterator[World]:
    app = App(idp.url, idp.client(client_name="App", redirect_uris=["https://app.test/callback"]))
    strict = {"redirect_uris": ["https://bank.test/callback"], "second_factor": "required"}
    bank = App(idp.url, idp.client(client_name="Bank", **strict))
    with Provider() as provider:
        yield World(idp, app, bank, Upstream.registered(idp, provider, "other", trusts_email=True))


@pytest.fixture
def someone(idp: RunningIdp) -> Someone:
    return Someone.new(idp)


def went_on(response: requests.Response) -> bool:
    """Whether the step was taken: a redirect, or the page that shows the recovery codes of what was set up."""
    return response.status_code == 303 or "recovery-codes" in response.text


def refused(response: requests.Response) -> bool:
    """Whether the step was not taken, and a page of ours says so."""
    page = Page(response)
    told = "data-error" in page.main or 'role="alert"' in response.text
    return response.status_code in {400, 403} and (told or re.search(SAID, response.text) is not None)


@contextlib.contextmanager
def unchanged(idp: RunningIdp) -> Iterator[None]:
    """Nothing is written, but for what counts wrong answers and what works in the background."""
    before = rows(idp)
    yield
    assert rows(idp) == before


def rows(idp: RunningIdp) -> dict[str, list[str]]:
    tables = [table for table in Model.metadata.sorted_tables if table.name not in ELSEWHERE]
    with database_of(idp) as database, database.read() as tx:
        return {table.name: sorted(map(str, tx.execute(sa.select(table)))) for table in tables}


def address(world: World, ready: Ready) -> str:
    """Where this step is shown and nothing else; at the address that an app asks for a login with everybody is shown one of their own."""
    url, flow = ready.page.response.url, ready.page.forms[ready.form].fields.get("flow")
    return f"{world.idp.url}/login?flow={flow}" if "/oauth/authorize?" in url else url


@pytest.mark.parametrize("step", STEPS)
def test_a_step_belongs_to_its_browser(world: World, someone: Someone, step: Step) -> None:
    ready = step(world, someone)
    thief = Browser(world.idp.url)
    opened(world.app, thief)
    with unchanged(world.idp):
        looked = thief.http.get(address(world, ready), timeout=30)
        assert ready.form not in Page(looked).forms
        for cookies in ({}, thief.http.cookies.get_dict()):
            stolen = ready.taken_by(cookies)
            assert refused(stolen)
            assert "idp-session" not in stolen.cookies
    assert went_on(ready.take()), "and is still good there"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_taken_with_its_own_form_alone(world: World, someone: Someone, step: Step) -> None:
    ready = step(world, someone)
    form = ready.page.forms[ready.form]
    kept = dict(form.fields)
    with unchanged(world.idp):
        for name in kept.keys() & {"csrf", "flow", "step", "login", "token", "state"}:
            form.fields[name] = "0" * len(kept[name])
            assert refused(ready.take())
            form.fields[name] = kept[name]
    assert went_on(ready.take())


@pytest.mark.parametrize("step", USED_UP)
def test_a_step_is_taken_once(world: World, someone: Someone, step: Step) -> None:
    ready = step(world, someone)
    assert went_on(ready.take())
    before = ready.browser.http.cookies.get_dict()
    with unchanged(world.idp):
        assert refused(ready.take())
    assert ready.browser.http.cookies.get_dict() == before


@pytest.mark.parametrize("step", USED_UP)
def test_of_many_at_once_one_takes_the_step(world: World, someone: Someone, step: Step) -> None:
    ready = step(world, someone)
    cookies = ready.browser.http.cookies.get_dict()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: ready.taken_by(cookies), range(AT_ONCE)))
    taken = [answer for answer in answers if went_on(answer)]
    assert len(taken) == 1, [answer.status_code for answer in answers]
    assert all(answer.status_code in {400, 409} for answer in answers if answer is not taken[0])


PAGES = (
    "/login/otp",
    "/login/recovery",
    "/login/enrol",
    "/login/email/code",
    "/login/email/link",
    "/login/passkey/step",
    "/login/enrol/passkey",
    "/login/upstream/other/callback",
    "/login/return",
    "/login/more",
    "/consent",
    "/oauth/authorize/resume",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["", "?step=x", "?step=%00", "?flow=x", "?login=x&token=x"])
def test_no_page_of_a_login_opens_out_of_order(world: World, path: str, query: str) -> None:
    idp = world.idp
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
def test_of_a_thousand_uses_of_one_code_in_many_browsers_one_counts(world: World, someone: Someone, step: Step) -> None:
    first = step(world, someone)
    ready = [(first.page.forms[first.form], first.browser.http.cookies.get_dict())]
    for _ in range(9):
        browser, page = typed_password(world.app, someone)
        query = f"?step={page.forms['otp'].fields['step']}"
        page = Page(browser.open(first.page.response.url.partition("?")[0] + query))
        ready.append((page.forms[first.form], browser.http.cookies.get_dict()))
    statuses = [answer.status_code for answer in crowd(ready, **first.fields)]
    assert (statuses.count(303), statuses.count(400)) == (1, 999)


def test_of_a_thousand_consents_to_one_request_one_counts(world: World, someone: Someone) -> None:
    ready = consent(world, someone)
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
