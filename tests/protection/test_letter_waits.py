"""Letters and sign-ups wait longer and longer, over HTTP: for an address, a line and a network; in the database and in Redis; on two workers."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis
import requests

from tests.protection.people import Someone
from tests.protection.test_waits import PROXY, Place, knock, later
from tests.support import databases
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letters_to

HOUR = 3600
SETTINGS = {
    "email_login": "true",
    "email_login_max": "3",
    "email_login_max_per_address": "6",
    "reset_max": "3",
    "reset_max_per_address": "6",
    "email_change_max": "2",
    "email_change_max_per_address": "2",
    "signup": "on",
    "signup_max": "2",
    "login_max_failures_per_address": "100000",
}


@dataclass(frozen=True)
class Deployment:
    """A provider, and how time passes for whoever waits there."""

    idp: RunningIdp
    pass_by: Callable[[int], None]


@pytest.fixture(scope="module", params=[*databases.KINDS, "redis"])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A provider of two workers behind a proxy, which says where visitors come from."""
    with contextlib.ExitStack() as stack:
        url, more = None, {}
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        if request.param == "redis":
            more["redis_url"] = request.getfixturevalue("redis_url")
        idp = RunningIdp(tmp_path_factory.mktemp("letters"), url, **SETTINGS, **PROXY, **more)
        idp.cli("init")
        stack.callback(idp.stop)
        idp.node(idp.port, workers=2)
        kept = redis.Redis.from_url(more["redis_url"]) if more else None
        yield Deployment(idp, lambda seconds: _passed(kept, seconds) if kept else later(idp, seconds))


def _passed(kept: redis.Redis, seconds: int) -> None:
    for key in kept.scan_iter("idp:throttle:*"):
        for name in ("began_at", "wait_until"):
            kept.hincrby(key, name, -seconds)


@pytest.fixture
def idp(deployment: Deployment) -> RunningIdp:
    return deployment.idp


@pytest.fixture
def someone(idp: RunningIdp) -> Someone:
    return Someone.new(idp)


FORMS = {"/password/forgot": "forgot", "/login/email": "email-login"}
ASKED = pytest.mark.parametrize("path", FORMS)


def ask(browser: Browser, path: str, email: str) -> requests.Response:
    """Ask for a letter to this address."""
    return browser.submit(Page(browser.open(f"{browser.home}{path}")), FORMS[path], email=email)


def anybody(idp: RunningIdp) -> Browser:
    """Somebody from where nobody was before."""
    return Place(idp).browser()


def unknown() -> str:
    return f"nobody-{secrets.token_hex(4)}@example.com"


def told(answer: requests.Response, email: str) -> tuple[int, str, list[str]]:
    """What a visitor sees, but for what is theirs alone: a wait is told to the second, and may have begun a second before."""
    shared = re.sub(r"[\w-]{32,}|in \d+ (minutes|hours)", "", answer.text)
    return answer.status_code, shared.replace(email, ""), sorted(answer.headers)


def waits(answer: requests.Response) -> int:
    """How long the page says to wait, in the header and in words."""
    assert answer.status_code == 429, answer.text
    seconds = int(answer.headers["Retry-After"])
    ((number, unit),) = re.findall(r"Too many attempts\. Try again in (\d+) (minutes|hours)\.", answer.text)
    assert int(number) == round(seconds / {"minutes": 60, "hours": HOUR}[unit])
    return seconds


@ASKED
def test_waits_grow_alike_for_an_address_that_is_known_and_one_that_is_not(
    deployment: Deployment, someone: Someone, path: str
) -> None:
    seen = []
    for email in (someone.address, unknown()):
        waited, texts = [], []
        for allowed in (3, 1, 1, 1):
            answers = [ask(anybody(deployment.idp), path, email) for _ in range(allowed + 1)]
            assert [answer.status_code for answer in answers] == [200] * allowed + [429]
            waited.append(waits(answers[-1]))
            texts += [told(answer, email) for answer in answers]
            deployment.pass_by(waited[-1])
        for wait, expected in zip(waited, (HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR), strict=True):
            assert expected - 60 < wait <= expected
        seen.append(texts)
    assert seen[0] == seen[1]
    assert len(letters_to(deployment.idp, someone.address, 6)) == 6, "what waits is not sent"


@ASKED
def test_a_line_and_a_network_may_ask_so_often_for_whomever(deployment: Deployment, path: str) -> None:
    place = Place(deployment.idp)
    for line in range(5):
        statuses = [ask(place.browser(place.line_number(line)), path, unknown()).status_code for _ in range(6)]
        assert statuses == [200] * 6
        if line == 0:
            waits(ask(place.browser(f"{place.network}::2"), path, unknown()))
    waits(ask(place.browser(place.line_number(77)), path, unknown()))
    assert ask(anybody(deployment.idp), path, unknown()).status_code == 200


@ASKED
def test_strangers_keep_nobody_from_their_letters_in_their_own_browser(
    deployment: Deployment, someone: Someone, path: str
) -> None:
    own = Place(deployment.idp).browser()
    knock(own, someone.name, PASSWORD)
    own.http.cookies.pop("idp-session")
    stranger = [ask(anybody(deployment.idp), path, someone.address).status_code for _ in range(4)]
    assert stranger == [200] * 3 + [429]
    assert [ask(own, path, someone.address).status_code for _ in range(4)] == [200] * 3 + [429]
    assert ask(own, path, unknown()).status_code == 200, "it is known for one person alone"


@ASKED
def test_letters_asked_for_at_once_do_not_outrun_the_limit(idp: RunningIdp, someone: Someone, path: str) -> None:
    browsers = [anybody(idp) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda browser: ask(browser, path, someone.address).status_code, browsers))
    assert (statuses.count(200), statuses.count(429)) == (3, 17)
    assert len(letters_to(idp, someone.address, 3)) == 3


def signed_in(idp: RunningIdp, browser: Browser) -> Browser:
    """Somebody new is about to change their address in this browser."""
    Someone.new(idp).sign_in(browser, "/account/email/change")
    return browser


def change(browser: Browser, email: str) -> requests.Response:
    page = Page(browser.open(f"{browser.home}/account/email/change"))
    return browser.submit(page, "email-change-form", email=email)


def test_letters_about_an_address_wait_for_the_account_and_for_the_address(deployment: Deployment) -> None:
    idp, shared = deployment.idp, unknown()
    browsers = [signed_in(idp, anybody(idp)) for _ in range(3)]
    assert [change(browser, shared).status_code for browser in browsers] == [200, 200, 429]
    assert change(browsers[2], unknown()).status_code == 200, "who was told to wait was not counted"
    assert change(browsers[0], unknown()).status_code == 200
    assert HOUR - 60 < waits(change(browsers[0], unknown())) <= HOUR
    deployment.pass_by(HOUR)
    assert change(browsers[0], unknown()).status_code == 200
    assert HOUR < waits(change(browsers[0], unknown())) <= 2 * HOUR


def test_letters_about_addresses_wait_for_the_line_and_the_network(idp: RunningIdp) -> None:
    """Whoever has many accounts writes to as many strangers from one place as whoever has one."""
    place = Place(idp)
    for line in range(5):
        browser = signed_in(idp, place.browser(place.line_number(line)))
        assert [change(browser, unknown()).status_code for _ in range(2)] == [200, 200]
        if line == 0:
            waits(change(signed_in(idp, place.browser(place.line_number(line))), unknown()))
    waits(change(signed_in(idp, place.browser(place.line_number(77))), unknown()))
    assert change(signed_in(idp, anybody(idp)), unknown()).status_code == 200


# -- sign-ups ---------------------------------------------------------------------------------------------------------


def sign_up(browser: Browser, email: str) -> requests.Response:
    page = Page(browser.open(f"{browser.home}/signup"))
    name = email.partition("@")[0]
    return browser.submit(page, "signup", username=f"{name}-{secrets.token_hex(2)}", email=email, password=PASSWORD)


def test_sign_ups_from_a_line_wait_longer_and_longer(deployment: Deployment) -> None:
    place, waited = Place(deployment.idp), []
    for allowed in (2, 1, 1):
        answers = [sign_up(place.browser(), unknown()) for _ in range(allowed + 1)]
        assert [answer.status_code for answer in answers] == [200] * allowed + [429]
        waited.append(waits(answers[-1]))
        deployment.pass_by(waited[-1])
    for wait, expected in zip(waited, (HOUR, 2 * HOUR, 4 * HOUR), strict=True):
        assert expected - 60 < wait <= expected


def test_a_network_may_make_as_many_accounts_as_so_many_lines(deployment: Deployment) -> None:
    place = Place(deployment.idp)
    for line in range(5):
        browser = place.browser(place.line_number(line))
        assert [sign_up(browser, unknown()).status_code for _ in range(2)] == [200, 200]
    waits(sign_up(place.browser(place.line_number(77)), unknown()))
    assert sign_up(anybody(deployment.idp), unknown()).status_code == 200


def test_sign_ups_with_an_address_wait_whether_it_is_somebodys_or_not(idp: RunningIdp, someone: Someone) -> None:
    for email in (someone.address, unknown()):
        assert [sign_up(anybody(idp), email).status_code for _ in range(3)] == [200, 200, 429]
