"""`/account/apps`: people see which apps they let in and what each may do, and take it back: consent, tokens and codes on their way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.account.support import at_once, page_of, post, shown, signed_in
from tests.conftest import API
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import RunningIdp

PATH = "/account/apps"
SCOPE = "openid profile offline_access read"


def dead(app: App, tokens: dict[str, Any]) -> bool:
    """Whether nothing of a family works any more, at once."""
    return (
        app.userinfo(tokens["access_token"]).status_code == 401
        and app.introspect(tokens["access_token"]) == {"active": False}
        and app.refresh(tokens["refresh_token"]).json().get("error") == "invalid_grant"
    )


def withdraw_from(idp: RunningIdp, browser: Browser, title: str) -> Page:
    page = page_of(idp, browser, PATH)
    return Page(browser.submit(page, form_of(page, title)))


def form_of(page: Page, title: str) -> str:
    """The form that ends the access of the app with this name."""
    return page.response.text.partition(f"<bdi>{title}</bdi>")[2].partition('<form id="')[2].partition('"')[0]


def new_app(idp: RunningIdp, title: str, **metadata: Any) -> App:
    document = {
        "client_name": title,
        "redirect_uris": ["https://app.test/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "audience": [API],
    }
    return App(idp.url, idp.client(**{**document, **metadata}))


def test_who_let_no_app_in_has_none(idp: RunningIdp, person: str) -> None:
    assert "None yet." in shown(idp, signed_in(idp, person, PATH), PATH)


def test_an_app_is_shown_with_what_it_may_do_in_words(idp: RunningIdp, person: str, web_app: App) -> None:
    web_app.tokens(Browser(idp.url), person, scope=SCOPE)
    text = shown(idp, signed_in(idp, person, PATH), PATH)
    for words in (
        "Web App",
        "See your name and profile",
        "Keep its access while you are away",
        "The API",
        "Read things",
    ):
        assert words in text
    assert "Write things" not in text
    assert "since" in text
    assert "last used" in text


def test_what_is_allowed_later_is_added_and_since_stays(idp: RunningIdp, person: str, web_app: App) -> None:
    browser = Browser(idp.url)
    web_app.tokens(browser, person, scope="openid")
    web_app.tokens(browser, person, scope="openid email read")
    text = shown(idp, signed_in(idp, person, PATH), PATH)
    assert text.count("Web App") == 1
    assert "See your e-mail address" in text


def test_ending_access_ends_all_its_tokens_and_the_consent_and_nobody_elses(
    idp: RunningIdp, person: str, web_app: App
) -> None:
    app, browser = new_app(idp, "The other app"), Browser(idp.url)
    first, second = app.tokens(browser, person, scope=SCOPE), app.tokens(Browser(idp.url), person, scope=SCOPE)
    kept, theirs = web_app.tokens(browser, person, scope=SCOPE), app.tokens(Browser(idp.url), "alice", scope=SCOPE)
    page = withdraw_from(idp, signed_in(idp, person, PATH), "The other app")
    assert page.response.url == f"{idp.url}{PATH}"
    assert "The other app" not in page.response.text
    assert "Web App" in page.response.text
    for tokens in (first, second):
        assert dead(app, tokens)
    assert web_app.userinfo(kept["access_token"]).status_code == 200
    assert app.userinfo(theirs["access_token"]).status_code == 200
    assert "refresh_token" in app.refresh(theirs["refresh_token"]).json()
    assert "consent" in Page(browser.open(app.authorize_url(scope="openid")[0])).forms


def test_a_code_on_its_way_gives_nothing_any_more(idp: RunningIdp, person: str) -> None:
    app = new_app(idp, "Slow app")
    answer, verifier = app.login(Browser(idp.url), person, scope=SCOPE)
    withdraw_from(idp, signed_in(idp, person, PATH), "Slow app")
    assert app.redeem(answer["code"], verifier).json()["error"] == "invalid_grant"


def test_a_code_that_is_given_while_access_ends_gives_nothing(idp: RunningIdp, person: str) -> None:
    app, here, there = new_app(idp, "Busy app"), signed_in(idp, person, PATH), Browser(idp.url)
    for _ in range(8):
        app.tokens(there, person, scope=SCOPE)
        url, verifier = app.authorize_url(scope=SCOPE, prompt="none")
        page = page_of(idp, here, PATH)
        with ThreadPoolExecutor(2) as pool:
            came = pool.submit(there.open, url)
            pool.submit(here.submit, page, form_of(page, "Busy app")).result()
        answer = answer_of(came.result())
        if "code" in answer:
            assert app.redeem(answer["code"], verifier).json()["error"] == "invalid_grant"
        else:
            assert answer["error"] == "consent_required"


def test_who_allows_it_again_has_it_again(idp: RunningIdp, person: str) -> None:
    app, browser = new_app(idp, "App again"), Browser(idp.url)
    app.tokens(browser, person, scope=SCOPE)
    withdraw_from(idp, signed_in(idp, person, PATH), "App again")
    tokens = app.tokens(browser, person, scope=SCOPE)
    assert app.userinfo(tokens["access_token"]).status_code == 200
    assert "App again" in shown(idp, signed_in(idp, person, PATH), PATH)


def test_an_app_of_the_house_is_told_apart_and_loses_its_tokens_too(idp: RunningIdp, person: str) -> None:
    app = new_app(idp, "House app", consent="trusted")
    tokens = app.tokens(Browser(idp.url), person, scope=SCOPE)
    browser = signed_in(idp, person, PATH)
    text = shown(idp, browser, PATH)
    assert "This app belongs to this place" in text
    assert "Read things" in text
    withdraw_from(idp, browser, "House app")
    assert dead(app, tokens)


def test_of_many_who_end_it_at_once_one_does(idp: RunningIdp, person: str) -> None:
    app = new_app(idp, "Raced app")
    tokens = app.tokens(Browser(idp.url), person, scope=SCOPE)
    browser = signed_in(idp, person, PATH)
    page = page_of(idp, browser, PATH)
    assert at_once(browser, page, form_of(page, "Raced app"), 8) == [303, *[404] * 7]
    assert dead(app, tokens)


@pytest.mark.parametrize("app", ["", "unknown", "x" * 3000])
def test_an_app_without_access_is_unknown(idp: RunningIdp, person: str, web_app: App, app: str) -> None:
    web_app.tokens(Browser(idp.url), person, scope=SCOPE)
    browser = signed_in(idp, person, PATH)
    page = page_of(idp, browser, PATH)
    answer = browser.submit(page, form_of(page, "Web App"), app=app)
    assert (answer.status_code, Page(answer).main["data-error"]) == (404, "unknown")
    assert "Web App" in shown(idp, browser, PATH)


def test_a_form_of_another_site_ends_nothing(idp: RunningIdp, person: str, web_app: App) -> None:
    tokens = web_app.tokens(Browser(idp.url), person, scope=SCOPE)
    browser = signed_in(idp, person, PATH)
    assert post(idp, browser, f"{PATH}/withdraw", app=web_app.client_id, csrf="forged").status_code == 400
    assert web_app.userinfo(tokens["access_token"]).status_code == 200


def test_the_name_of_an_app_is_text(idp: RunningIdp, person: str) -> None:
    new_app(idp, "<b>Bold</b>").tokens(Browser(idp.url), person, scope="openid")
    browser = signed_in(idp, person, PATH)
    assert "<bdi>&lt;b&gt;Bold&lt;/b&gt;</bdi>" in browser.open(f"{idp.url}{PATH}").text
