"""The sample app hears by back-channel that somebody's session ended, and says so; what is no logout token ends nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from idp.oauth.logout.deliveries import EVENT
from idp.opening import open_house
from idp.settings_source import load
from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.test_login_with import go_to_login, log_in

DEADLINE = 30


def enter(page: Page, shop: Shop) -> str:
    """A person of this test's own, logged in to the app; their name."""
    name = shop.person()
    go_to_login(page, shop)
    log_in(page, name)
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    return name


def expect_to_be_told(page: Page, shop: Shop) -> None:
    """The next page after the logout token has come says what happened, once."""
    deadline = time.monotonic() + DEADLINE
    while page.goto(f"{shop.app}/profile") and page.locator("#ended").count() == 0:
        assert time.monotonic() < deadline, page.content()
    expect(page.locator("#ended")).to_contain_text("You are logged out")
    expect(page.locator("#log-in-with")).to_be_visible()
    page.reload()
    expect(page.locator("#log-in-with")).to_be_visible()
    expect(page.locator("#ended")).to_have_count(0)


def sign_out_at_the_provider(page: Page, shop: Shop, _name: str) -> None:
    tab = page.context.new_page()
    tab.goto(f"{shop.idp.url}/oauth/logout")
    tab.click("#logout-confirm")
    expect(tab.locator("main#signed-out")).to_be_visible()
    tab.close()


def disable(_page: Page, shop: Shop, name: str) -> None:
    shop.idp.cli("user", "disable", name)


@pytest.mark.parametrize("leave", [sign_out_at_the_provider, disable])
def test_the_app_logs_out_whoever_is_logged_out_at_the_provider(
    visit: Visit, shop: Shop, leave: Callable[[Page, Shop, str], None]
) -> None:
    page, other = visit(), visit()
    name = enter(page, shop)
    enter(other, shop)
    leave(page, shop, name)
    expect_to_be_told(page, shop)
    other.goto(f"{shop.app}/profile")
    expect(other.locator("#claims")).to_be_visible()


def test_whoever_logs_out_of_the_app_is_told_nothing_new(visit: Visit, shop: Shop) -> None:
    page = visit()
    enter(page, shop)
    page.click("#logout")
    expect(page.locator("#log-in-with")).to_be_visible()
    expect(page.locator("#ended")).to_have_count(0)


# -- what the app accepts ---------------------------------------------------------------------------------------------


def signed(shop: Shop, typ: str = "logout+jwt", **changes: Any) -> str:
    """A logout token under the provider's own key, but for `changes`; None leaves a claim out."""
    now = int(time.time())
    good = {
        "iss": shop.idp.issuer,
        "aud": shop.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_hex(8),
        "events": {EVENT: {}},
    }
    told = {name: value for name, value in {**good, **changes}.items() if value is not None}
    with open_house(load(shop.idp.environ)) as house:
        return house.keyring.signer("RS256").compose(typ, told)


def post(shop: Shop, token: str) -> requests.Response:
    answer = requests.post(f"{shop.app}/backchannel-logout", data={"logout_token": token}, timeout=30)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


def sub_of(page: Page) -> str:
    """Who is logged in, as the app's profile page shows it."""
    return page.locator("#claims [data-claim=sub] dd").inner_text()


def test_a_token_that_names_the_person_alone_ends_every_login_of_theirs(visit: Visit, shop: Shop) -> None:
    page, other = visit(), visit()
    name = enter(page, shop)
    go_to_login(other, shop)
    log_in(other, name)
    other.wait_for_url(f"{shop.app}/profile")
    token = signed(shop, sub=sub_of(page))
    assert post(shop, token).status_code == 200
    for one in (page, other):
        expect_to_be_told(one, shop)
    page.click("#log-in-with")
    page.wait_for_url(f"{shop.app}/profile")
    assert post(shop, token).status_code == 200, "heard already: it counts once"
    page.reload()
    expect(page.locator("#claims")).to_be_visible()


def test_whatever_is_no_logout_token_for_this_app_ends_nothing(visit: Visit, shop: Shop) -> None:
    page = visit()
    enter(page, shop)
    sub, past = sub_of(page), int(time.time()) - 600
    bad: list[dict[str, Any]] = [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"aud": "another-app"},
        {"iss": "https://evil.test"},
        {"nonce": "n"},
        {"events": None},
        {"events": {"https://evil.test/event": {}}},
        {"sub": None},
        {"jti": None},
        {"iat": None},
        {"exp": past},
    ]
    tokens = [signed(shop, **{"sub": sub, **changes}) for changes in bad]
    for token in (*tokens, "", "x", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30."):
        answer = post(shop, token)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"}), token
    page.reload()
    expect(page.locator("#claims")).to_be_visible()
