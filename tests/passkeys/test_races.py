"""One challenge gives one login, however many use it at once; and one that is old gives none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from idp.platform.db import Database
from idp.platform.replay import DatabaseReplays
from idp.platform.secrets import MasterKey
from idp.users.passkey_challenges import LIFE, Challenges
from tests.passkeys.holder import FORM, SECURITY, Holder, audited, options_of
from tests.support.clocks import ManualClock
from tests.support.flows import App, Browser, HtmlForm, Page
from tests.support.running import RunningIdp

AT_ONCE = 20


def test_twenty_uses_of_one_challenge_are_one_login(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    page = browser.open(f"{idp.url}{SECURITY}")
    answers = [holder.authenticator.get(options_of(page)) for _ in range(AT_ONCE)]
    before = len(audited(idp, "login"))
    responses = at_once(browser, Page(page).forms[FORM], answers)
    assert sum(response.status_code == 303 for response in responses) == 1
    assert {response.status_code for response in responses} <= {303, 400, 429}
    assert sum("idp-session" in response.cookies for response in responses) == 1
    assert len(audited(idp, "login")) == before + 1


def test_twenty_uses_of_one_second_step_are_one_login(web_app: App, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app)
    answer = holder.authenticator.get(options_of(page))
    responses = at_once(browser, Page(page).forms[FORM], [answer] * AT_ONCE)
    assert sum(response.status_code == 303 for response in responses) == 1
    assert {response.status_code for response in responses} <= {303, 400, 429}


def at_once(browser: Browser, form: HtmlForm, answers: list[str]) -> list[requests.Response]:
    """Post all answers at the same moment."""
    cookies = browser.http.cookies.get_dict()

    def post(answer: str) -> requests.Response:
        data = {**form.fields, "response": answer}
        return requests.post(form.action, data=data, cookies=cookies, allow_redirects=False, timeout=60)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(post, answers))


def test_a_challenge_is_for_its_time_purpose_and_owner(database: Database, clock: ManualClock) -> None:
    challenges = Challenges(MasterKey(b"m" * 32), clock, DatabaseReplays(database))
    first, second, late = (challenges.make("login", "browser") for _ in range(3))
    assert len({first, second, late}) == 3
    assert not challenges.take(first, "step", "browser")
    assert not challenges.take(first, "login", "other")
    assert not challenges.take(first[:-2] + ("AA" if first[-2:] != "AA" else "BB"), "login", "browser")
    assert challenges.take(first, "login", "browser")
    assert not challenges.take(first, "login", "browser")
    clock.advance(LIFE)
    assert challenges.take(second, "login", "browser")
    clock.advance(1)
    assert not challenges.take(late, "login", "browser")
    assert not any(
        challenges.take(garbage, "login", "browser") for garbage in ("", "A", "AAAA", "+/", "\u00e9", "A" * 99)
    )
