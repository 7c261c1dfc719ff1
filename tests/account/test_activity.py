"""`/account/activity`: what happened to an account, in words, page by page, to its owner alone."""

from __future__ import annotations

import re

import pytest

from tests.account.support import IPHONE, page_of, shown, signed_in
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp
from tests.users.test_password_change import change

PATH = "/account/activity"


def test_what_happened_is_told_the_newest_first(idp: RunningIdp, person: str, web_app: App) -> None:
    signed_in(idp, person, agent=IPHONE)
    browser = signed_in(idp, person, PATH)
    web_app.tokens(browser, person, scope="openid profile")
    change(idp, browser)
    text = shown(idp, browser, PATH)
    told = [
        "Your password was changed",
        "You let an app in",
        "Firefox on Linux",
        "Safari on iPhone",
        "Your account was made",
    ]
    places = [text.index(words) for words in told]
    assert places == sorted(places)
    assert "· Web App" in text
    assert "127.0.0.…" in text
    assert "127.0.0.1" not in text


def test_nobody_sees_what_happened_to_somebody_else(idp: RunningIdp, person: str) -> None:
    for _ in range(3):
        signed_in(idp, "alice", agent=IPHONE)
    assert "iPhone" not in shown(idp, signed_in(idp, person), PATH)


def test_many_events_are_told_page_by_page_and_each_once(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    for number in range(45):
        idp.cli("user", "update", person, "--claim", f"nickname=n{number}")
    seen, path = 0, PATH
    for expected in (20, 20, 7):
        response = browser.open(f"{idp.url}{path}")
        listed = re.findall(r"<li>\s+(Your account was changed|You signed in|Your account was made)", response.text)
        assert len(listed) == expected
        seen += len(listed)
        older = re.search(r'id="activity-older"[^>]*href="[^"]*(\?before=\d+)"', response.text)
        path = f"{PATH}{older[1]}" if older else ""
    assert (seen, path) == (47, "")
    assert 'id="activity-newest"' in response.text


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 30, "٣", "1 OR 1=1", "0"])
def test_a_page_that_there_is_not_is_no_error(idp: RunningIdp, person: str, before: str) -> None:
    browser = signed_in(idp, person, PATH)
    response = browser.http.get(f"{idp.url}{PATH}", params={"before": before}, timeout=30)
    assert response.status_code == 200


def test_a_session_that_was_ended_from_afar_is_told(idp: RunningIdp, person: str) -> None:
    signed_in(idp, person, agent=IPHONE)
    browser = Browser(idp.url)
    browser = signed_in(idp, person)
    browser.submit(page_of(idp, browser, "/account/sessions"), "session-end-others")
    assert "You were signed out" in shown(idp, browser, PATH)
