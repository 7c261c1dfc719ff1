"""Waits that grow with wrong answers, over HTTP: for accounts, names, lines and networks; for passwords, codes and letters; on two workers."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
import requests
import sqlalchemy as sa

from idp.platform.models import CounterRow, ThrottleRow
from idp.settings_source import load
from tests.protection.people import Someone
from tests.support import databases
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letters_to

WINDOW = 900
PROXY = {"trusted_proxies": "127.0.0.0/8"}
SETTINGS = {
    "login_max_failures": "4",
    "login_max_failures_per_address": "12",
    "code_max_failures": "4",
    "email_login": "true",
    "signup": "on",
    "signup_max": "2",
}


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider of two workers behind a proxy, which says where visitors come from."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        running = RunningIdp(tmp_path_factory.mktemp("waits"), url, **SETTINGS, **PROXY)
        running.cli("init")
        stack.callback(running.stop)
        running.node(running.port, workers=2)
        yield running


class Place:
    """Somewhere nobody was before: a line of a network of its own."""

    def __init__(self, idp: RunningIdp) -> None:
        self.idp = idp
        self.network = f"2001:db8:{secrets.randbelow(65536):x}"
        self.line = f"{self.network}:1::1"

    def browser(self, peer: str | None = None) -> Browser:
        browser = Browser(self.idp.url)
        browser.http.headers["X-Forwarded-For"] = peer or self.line
        return browser

    def line_number(self, number: int) -> str:
        """Another line of the same network."""
        return f"{self.network}:{number:x}::1"


@pytest.fixture
def place(idp: RunningIdp) -> Place:
    return Place(idp)


@pytest.fixture
def someone(idp: RunningIdp) -> Someone:
    return Someone.new(idp)


def knock(browser: Browser, name: str, password: str = "wrong") -> requests.Response:
    """One attempt on the login page."""
    page = Page(browser.open(f"{browser.home}/login"))
    return browser.submit(page, "login", username=name, password=password)


def later(idp: RunningIdp, seconds: int) -> None:
    """As if so much time had passed for whoever waits."""
    opened = databases.open_database(load(idp.environ).database)
    with opened.write() as tx:
        times = (ThrottleRow.began_at, ThrottleRow.wait_until, ThrottleRow.forget_at)
        tx.execute(sa.update(ThrottleRow).values({column.key: column - seconds for column in times}))
        tx.execute(sa.update(CounterRow).values(resets_at=CounterRow.resets_at - seconds))
    opened.engine.dispose()


def waits(answer: requests.Response) -> int:
    """How long the page says to wait, in the header and in words."""
    assert answer.status_code == 429, answer.text
    seconds = int(answer.headers["Retry-After"])
    (told,) = re.findall(r"Too many attempts\. Try again in (\d+) minutes\.", answer.text)
    assert int(told) == round(seconds / 60)
    return seconds


@pytest.mark.parametrize("known", [True, False])
def test_waits_grow_for_an_account_and_for_a_name_that_is_nobodys(
    idp: RunningIdp, place: Place, someone: Someone, known: bool
) -> None:
    name = someone.name if known else f"nobody-{secrets.token_hex(4)}"
    seen = []
    for allowed in (4, 2, 1, 1):
        browsers = [place.browser(place.line_number(number)) for number in range(allowed + 1)]
        answers = [knock(browser, name) for browser in browsers]
        assert [answer.status_code for answer in answers] == [400] * allowed + [429]
        seen.append(waits(answers[-1]))
        later(idp, seen[-1])
    for wait, expected in zip(seen, (WINDOW, 2 * WINDOW, 4 * WINDOW, 4 * WINDOW), strict=True):
        assert expected - 60 < wait <= expected


def test_the_right_password_waits_too_then_works_and_begins_anew(
    idp: RunningIdp, place: Place, someone: Someone
) -> None:
    browser = place.browser()
    for _ in range(4):
        knock(browser, someone.name)
    wait = waits(knock(browser, someone.name, PASSWORD))
    assert "idp-session" not in browser.http.cookies
    later(idp, wait)
    assert "Hello" in knock(browser, someone.name, PASSWORD).text
    stranger = place.browser()
    assert [knock(stranger, someone.name).status_code for _ in range(5)] == [400] * 4 + [429]


def test_a_right_password_does_not_wash_a_line_clean(idp: RunningIdp, place: Place, someone: Someone) -> None:
    outcomes = []
    for number in range(12):
        outcomes.append(knock(place.browser(), f"nobody {number}").status_code)
        if number < 11:
            assert "Hello" in knock(place.browser(), someone.name, PASSWORD).text
    assert outcomes == [400] * 12
    waits(knock(place.browser(), someone.name, PASSWORD))
    elsewhere = Place(idp).browser()
    assert "Hello" in knock(elsewhere, someone.name, PASSWORD).text


def test_many_lines_of_a_network_are_one_network(idp: RunningIdp, place: Place) -> None:
    """Whoever has a network has as many addresses as they like."""
    names = iter(range(1000))
    for line in range(6):
        browser = place.browser(place.line_number(line))
        for _ in range(10):
            assert knock(browser, f"nobody {next(names)}").status_code == 400
    waits(knock(place.browser(place.line_number(77)), "nobody"))
    assert knock(Place(idp).browser(), "nobody at all").status_code == 400


def test_the_addresses_of_a_home_are_one_line(place: Place) -> None:
    for number in range(12):
        assert knock(place.browser(f"{place.network}:1::{number:x}"), f"nobody {number}").status_code == 400
    waits(knock(place.browser(f"{place.network}:1:2:3:4:5"), "nobody"))


def test_a_browser_in_which_the_person_signed_in_is_not_locked_out_by_strangers(
    idp: RunningIdp, place: Place, someone: Someone
) -> None:
    own, stranger = place.browser(), place.browser()
    knock(own, someone.name, PASSWORD)
    own.http.cookies.pop("idp-session")
    for _ in range(8):
        knock(stranger, someone.name)
    for number in range(8):
        knock(stranger, f"nobody {number}")
    waits(knock(stranger, someone.name, PASSWORD))
    assert "Hello" in knock(own, someone.name, PASSWORD).text
    own.http.cookies.pop("idp-session")
    assert [knock(own, someone.name).status_code for _ in range(5)] == [400] * 4 + [429]


def test_known_and_unknown_names_wait_alike(idp: RunningIdp, someone: Someone) -> None:
    answers = []
    for name in (someone.name, f"nobody-{secrets.token_hex(4)}"):
        browser = Place(idp).browser()
        seen = []
        for _ in range(6):
            answer = knock(browser, name)
            text = re.sub(r'(csrf|flow)" value="[^"]*"', "", answer.text).replace(name, "")
            seen.append((answer.status_code, text, sorted(answer.headers)))
        answers.append(seen)
    assert answers[0] == answers[1]
    assert not [path for path in (idp.folder / "mail").glob("*.eml") if someone.address in path.read_text()]


def test_guesses_at_once_on_two_workers_do_not_outrun_the_limit(idp: RunningIdp, someone: Someone) -> None:
    browsers = [Place(idp).browser() for _ in range(40)]
    pages = [Page(browser.open(f"{idp.url}/login")) for browser in browsers]

    def guess(number: int) -> int:
        fields = {"username": someone.name, "password": f"guess {number}"}
        return browsers[number].submit(pages[number], "login", **fields).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(guess, range(40)))
    assert (statuses.count(400), statuses.count(429)) == (4, 36)


# -- codes ------------------------------------------------------------------------------------------------------------


def second_step(browser: Browser, someone: Someone) -> Page:
    return Page(knock(browser, someone.name, PASSWORD))


def test_codes_of_the_app_and_recovery_codes_wait_together(idp: RunningIdp, place: Place, someone: Someone) -> None:
    secret, codes = someone.enrol(Browser(idp.url))
    stranger = place.browser()
    page = second_step(stranger, someone)
    recovery = Page(stranger.open(f"{idp.url}/login/recovery?step={page.forms['otp'].fields['step']}"))
    for form, where in (("otp", page), ("recovery", recovery)) * 2:
        assert stranger.submit(where, form, code="000000").status_code == 400
    wait = waits(stranger.submit(page, "otp", code=pyotp.TOTP(secret).now()))
    assert waits(stranger.submit(recovery, "recovery", code=codes[0])) <= wait
    later(idp, wait)
    assert "Hello" in stranger.submit(recovery, "recovery", code=codes[0]).text


def test_a_known_browser_has_codes_of_its_own_to_get_wrong(idp: RunningIdp, place: Place, someone: Someone) -> None:
    own = Browser(idp.url)
    secret, _ = someone.enrol(own)
    own.http.cookies.pop("idp-session")
    stranger = place.browser()
    page = second_step(stranger, someone)
    for _ in range(4):
        stranger.submit(page, "otp", code="000000")
    waits(stranger.submit(page, "otp", code="000000"))
    code = pyotp.TOTP(secret).now()
    assert "Hello" in own.submit(second_step(own, someone), "otp", code=code).text


def test_codes_out_of_letters_are_counted_where_they_come_from(idp: RunningIdp, place: Place) -> None:
    statuses = []
    for number in range(4):
        browser = place.browser()
        page = Page(browser.open(f"{idp.url}/login/email"))
        asked = Page(browser.submit(page, "email-login", email=f"nobody-{number}-{secrets.token_hex(3)}@example.com"))
        answers = [browser.submit(asked, "email-code", code="1234 5678") for _ in range(4)]
        statuses += [answer.status_code for answer in answers]
    assert statuses == [400] * 12 + [429] * 4
    waits(answers[-1])


# -- letters and accounts ---------------------------------------------------------------------------------------------


def test_a_page_says_when_another_link_to_a_new_password_may_be_asked_for(
    idp: RunningIdp, place: Place, someone: Someone
) -> None:
    for email in (someone.address, f"nobody-{secrets.token_hex(4)}@example.com"):
        browser = place.browser()
        page = Page(browser.open(f"{idp.url}/password/forgot"))
        answers = [browser.submit(page, "forgot", email=email) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429]
        assert 3500 < waits(answers[-1]) <= 3600
    assert len(letters_to(idp, someone.address, 3)) == 3


def test_a_page_says_when_another_account_may_be_made(idp: RunningIdp, place: Place) -> None:
    statuses = []
    for number in range(3):
        browser = place.browser(f"{place.network}:1::{number:x}")
        page = Page(browser.open(f"{idp.url}/signup"))
        name = f"new-{secrets.token_hex(4)}"
        answer = browser.submit(page, "signup", username=name, email=f"{name}@example.com", password=PASSWORD)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 429]
    waits(answer)
