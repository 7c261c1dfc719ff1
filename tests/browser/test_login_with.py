"""A person logs in to the sample app in a real browser, with and without JavaScript."""

from __future__ import annotations

import runpy

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import EXAMPLE, Shop
from tests.support.running import PASSWORD
from tests.users.joining import CODE
from tests.users.mail import letter_about, link_in

pytestmark = pytest.mark.whole_browser


def go_to_login(page: Page, shop: Shop) -> None:
    page.goto(shop.app)
    page.click("#log-in-with")
    expect(page.locator("form#login")).to_be_visible()
    assert page.url.startswith(shop.idp.url)


def log_in(page: Page, username: str, password: str = PASSWORD) -> None:
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.click("#login-submit")


def arrive(page: Page, shop: Shop) -> None:
    """From the app's button to its page for people who are logged in."""
    go_to_login(page, shop)
    log_in(page, shop.person())
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_a_whole_visit(visit: Visit, shop: Shop, javascript: bool) -> None:
    page, name = visit(java_script_enabled=javascript), shop.person()
    go_to_login(page, shop)

    log_in(page, name, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("not right")
    expect(page.locator("input[name=username]")).to_have_value(name)
    expect(page.locator("input[name=password]")).to_have_value("")
    log_in(page, name)

    consent = page.locator("main")
    for words in ("Demo shop window", name, "Make payments for you", "See your name and profile"):
        expect(consent).to_contain_text(words)
    page.click("#consent-allow")

    page.wait_for_url(f"{shop.app}/profile")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Ada Lovelace")
    expect(page.locator("#claims")).to_contain_text(f"{name}@example.com")
    expect(page.locator("[data-claim=email] dt")).to_have_text("E-mail address")
    shown = page.locator("[data-claim]").evaluate_all("all => all.map(one => one.dataset.claim)")
    assert shown == ["sub", "name", "preferred_username", "email", "email_verified", "locale", "updated_at"]

    page.get_by_role("link", name="Payments").click()
    expect(page.locator("main")).to_contain_text("Nothing paid yet")
    page.fill("input[name=amount]", "47.11")
    page.click("#pay-submit")
    expect(page.locator("tr.payment")).to_contain_text("47.11 EUR")
    expect(page.locator("tr.payment")).to_have_count(1)

    page.get_by_role("link", name="Profile").click()
    page.click("#refresh")
    page.wait_for_url(f"{shop.app}/profile")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Ada Lovelace")
    page.get_by_role("link", name="Payments").click()
    expect(page.locator("tr.payment")).to_have_count(1)

    page.click("#logout")
    expect(page.locator("#log-in-with")).to_be_visible()
    assert page.url == f"{shop.app}/"
    go_to_login(page, shop)


def test_what_no_standard_names_comes_last_and_by_its_name() -> None:
    told = runpy.run_path(str(EXAMPLE.with_name("told.py")))["told"]
    claims = {
        "shoe_size": 43,
        "updated_at": 0,
        "address": {"country": "DE"},
        "allergies": [],
        "name": "Ada",
        "sub": "1",
    }
    assert [name for name, _word, _text in told(claims)] == [
        *("sub", "name", "address", "updated_at"),
        *("allergies", "shoe_size"),
    ]


def test_an_address_that_leads_nowhere_says_so_and_has_no_number(shop: Shop) -> None:
    answer = requests.get(f"{shop.app}/no-such-page", timeout=30)
    assert (answer.status_code, "There is no such page." in answer.text) == (404, True)
    assert 'id="number"' not in answer.text


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_whoever_cancels_is_back_at_the_app_without_a_login(visit: Visit, shop: Shop, javascript: bool) -> None:
    page = visit(java_script_enabled=javascript)
    go_to_login(page, shop)
    page.click("#login-cancel")
    expect(page.locator("#sorry")).to_be_visible()
    expect(page.locator("main")).to_contain_text("You did not allow it")

    go_to_login(page, shop)
    log_in(page, shop.person())
    page.click("#consent-deny")
    expect(page.locator("#sorry")).to_be_visible()
    assert page.url.startswith(f"{shop.app}/callback")
    page.goto(f"{shop.app}/profile")
    expect(page.locator("#log-in-with")).to_be_visible()


def test_a_second_login_shows_no_page_while_the_session_lives(visit: Visit, shop: Shop) -> None:
    page = visit()
    arrive(page, shop)
    page.context.clear_cookies(name="shop-window")
    page.goto(shop.app)
    page.click("#log-in-with")
    page.wait_for_url(f"{shop.app}/profile")


def test_signing_out_at_the_identity_provider_is_confirmed_first(visit: Visit, shop: Shop) -> None:
    page = visit()
    arrive(page, shop)
    page.goto(f"{shop.idp.url}/oauth/logout")
    expect(page.locator("form#logout")).to_be_visible()
    page.get_by_role("link", name="Stay signed in").click()
    expect(page.locator("main")).to_contain_text("You are signed in as")
    page.get_by_role("link", name="Sign out").click()
    page.click("#logout-confirm")
    expect(page.locator("main#signed-out")).to_be_visible()
    page.goto(shop.idp.url)
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_another_person_may_take_over_at_the_consent_page(visit: Visit, shop: Shop) -> None:
    page, other = visit(), shop.person()
    go_to_login(page, shop)
    log_in(page, shop.person())
    page.get_by_role("button", name="Sign in as someone else").click()
    page.get_by_text("Use another account").click()
    log_in(page, other)
    expect(page.locator("main")).to_contain_text(other)
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    expect(page.locator("#claims")).to_contain_text(f"{other}@example.com")


def test_a_new_person_signs_up_on_the_way(visit: Visit, shop: Shop) -> None:
    page = visit()
    go_to_login(page, shop)
    page.get_by_role("link", name="Create an account").click()
    name = f"new-{shop.person()}"
    page.fill("input[name=username]", name)
    page.fill("input[name=email]", f"{name}@example.com")
    page.fill("input[name=password]", "short")
    page.click("#signup-submit")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("input[name=username]")).to_have_value(name)
    page.fill("input[name=password]", PASSWORD)
    page.click("#signup-submit")
    page.goto(link_in(letter_about(shop.idp, f"{name}@example.com", CODE)))
    page.click("#verify-submit")
    log_in(page, name)
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")


def test_going_back_after_the_login_says_that_it_is_over(visit: Visit, shop: Shop) -> None:
    page = visit()
    arrive(page, shop)
    page.go_back()
    expect(page.locator("main#error")).to_have_attribute("data-error", "expired")
    expect(page.locator("main")).to_contain_text("expired or was used already")


def test_a_login_by_keyboard_alone(visit: Visit, shop: Shop) -> None:
    page = visit()
    go_to_login(page, shop)
    expect(page.locator("#username")).to_be_focused()
    page.keyboard.type(shop.person())
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("form#consent")).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.locator("#consent-allow:focus").count():
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop.app}/profile")
