"""One code, one refresh token, one lock-out: whatever the number of threads, workers and nodes that are asked at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
import requests
import sqlalchemy as sa

from idp.tokens.models import RefreshTokenRow
from tests.conftest import API
from tests.support.assertions import Signed
from tests.support.databases import open_database
from tests.support.flows import App, Browser, Page, claims
from tests.support.running import PASSWORD, RunningIdp

_T = TypeVar("_T")
CODES, REFRESHES, GUESSES = 50, 200, 40
THREADS = 50


@pytest.fixture(scope="module")
def nodes(idp: RunningIdp) -> Sequence[str]:
    """Two server processes on one database, the second with two workers."""
    return (idp.url, idp.node(workers=2))


def at_once(count: int, work: Callable[[int], _T]) -> list[_T]:
    """`count` calls, started together as far as there are threads."""
    barrier = Barrier(min(count, THREADS))

    def one(number: int) -> _T:
        if number < barrier.parties:
            barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(barrier.parties) as pool:
        return list(pool.map(one, range(count)))


def outcome(response: requests.Response) -> str:
    return str(response.json().get("error", response.status_code))


def test_a_code_redeemed_many_times_at_once_gives_one_answer_and_is_worth_nothing_afterwards(
    idp: RunningIdp, nodes: Sequence[str], web_app: App, person: str
) -> None:
    scope = "openid offline_access read"
    answer, verifier = web_app.login(Browser(idp.url), person, scope=scope)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": web_app.redirect_uri,
        "code_verifier": verifier,
    }
    responses = at_once(CODES, lambda number: web_app.post("/oauth/token", base=nodes[number % 2], **form))
    assert Counter(map(outcome, responses)) == {"200": 1, "invalid_grant": CODES - 1}
    tokens = next(response.json() for response in responses if response.status_code == 200)
    assert web_app.introspect(tokens["access_token"]) == {"active": False}
    assert web_app.introspect(tokens["refresh_token"]) == {"active": False}
    assert web_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert web_app.userinfo(tokens["access_token"]).status_code == 401


def test_a_refresh_token_used_many_times_at_once_has_one_successor_and_one_answer(
    idp: RunningIdp, nodes: Sequence[str], web_app: App, person: str
) -> None:
    first = web_app.tokens(Browser(idp.url), person, scope="openid offline_access read")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first}
    responses = at_once(REFRESHES, lambda number: web_app.post("/oauth/token", base=nodes[number % 2], **form))
    assert Counter(map(outcome, responses)) == {"200": REFRESHES}
    assert len({response.content for response in responses}) == 1
    grant_id = claims(responses[0].json()["access_token"])["jti"].partition(".")[0]
    assert _tokens_of_family(idp, grant_id) == 2
    assert web_app.refresh(responses[0].json()["refresh_token"]).status_code == 200


def _tokens_of_family(idp: RunningIdp, grant_id: str) -> int:
    database = open_database(idp.environ.get("IDP_DATABASE_URL", f"sqlite:///{idp.folder}/var/idp.sqlite3"))
    query = sa.select(sa.func.count()).where(RefreshTokenRow.grant_id == grant_id)
    with database.read() as tx:
        count = int(tx.execute(query).scalar_one())
    database.engine.dispose()
    return count


def test_a_waiting_request_that_is_allowed_many_times_at_once_gives_one_code(
    idp: RunningIdp, nodes: Sequence[str], web_app: App, person: str
) -> None:
    browser = Browser(idp.url)
    url, _verifier = web_app.authorize_url(scope="openid read")
    page = Page(browser.submit(Page(browser.open(url)), "login", username=person, password=PASSWORD))
    form = page.forms["consent"]
    cookies = browser.http.cookies.get_dict()

    def allow(number: int) -> requests.Response:
        action = form.action.replace(idp.url, nodes[number % 2])
        data = {**form.fields, "decision": "allow"}
        headers = {"Origin": idp.url}
        return requests.post(action, data=data, cookies=cookies, headers=headers, allow_redirects=False, timeout=30)

    answers = [response.headers.get("Location", "") for response in at_once(CODES, allow)]
    assert sum("code=" in location for location in answers) == 1


def test_guesses_at_once_get_no_more_tries_than_guesses_in_turn(
    nodes: Sequence[str], web_app: App, person: str
) -> None:
    def guess(number: int) -> int:
        browser = Browser(nodes[number % 2])
        page = Page(browser.open(f"{browser.home}/login"))
        return browser.submit(page, "login", username=person, password=f"wrong {number}").status_code

    assert Counter(at_once(GUESSES, guess)) == {400: 10, 429: GUESSES - 10}


def test_an_assertion_presented_many_times_at_once_is_used_once(idp: RunningIdp, nodes: Sequence[str]) -> None:
    """RFC 7523 §3: the `jti` is consumed in the database, so no node takes it a second time."""
    signed = Signed(idp, audience=[API])
    assertion = signed.assertion()
    responses = at_once(CODES, lambda number: signed.send(assertion, nodes[number % 2]))
    assert Counter(map(outcome, responses)) == {"200": 1, "invalid_client": CODES - 1}
