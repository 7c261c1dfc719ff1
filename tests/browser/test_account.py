"""Journeys through the account pages in a real browser: a profile that an app sees, signing out from afar, goodbye and back."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.test_login_with import go_to_login, log_in


def test_a_person_changes_their_profile_and_the_app_sees_it(visit: Visit, shop: Shop) -> None:
    page, person = visit(), shop.person()
    page.goto(f"{shop.idp.url}/account/profile")
    log_in(page, person)
    page.get_by_label("Full name").fill("Augusta King")
    page.get_by_label("Birthday").fill("the tenth of December")
    page.click("#profile-save")
    expect(page.get_by_role("alert")).to_contain_text("Write your birthday as")
    expect(page.get_by_label("Birthday")).to_be_focused()
    expect(page.get_by_label("Full name")).to_have_value("Augusta King")
    page.get_by_label("Birthday").fill("1815-12-10")
    page.click("#profile-save")
    expect(page.get_by_label("Full name")).to_have_value("Augusta King")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.goto(shop.app)
    page.click("#log-in-with")
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Augusta King")


def test_another_browser_and_an_app_are_signed_out_from_afar(visit: Visit, shop: Shop) -> None:
    lost, page, person = visit(), visit(), shop.person()
    go_to_login(lost, shop)
    log_in(lost, person)
    lost.click("#consent-allow")
    lost.wait_for_url(f"{shop.app}/profile")
    page.goto(f"{shop.idp.url}/account/sessions")
    log_in(page, person)
    expect(page.locator("#session-list > li")).to_have_count(2)
    page.get_by_role("button", name="Sign out:").click()
    expect(page.locator("#session-list > li")).to_have_count(1)
    lost.goto(f"{shop.idp.url}/account")
    expect(lost.locator("form#login")).to_be_visible()
    page.get_by_role("link", name="Apps", exact=True).click()
    page.get_by_role("button", name="End the access of Demo shop window").click()
    expect(page.locator("#apps-none")).to_be_visible()


def test_a_person_leaves_and_comes_back(visit: Visit, shop: Shop) -> None:
    page, person = visit(), shop.person()
    page.goto(f"{shop.idp.url}/account/close")
    log_in(page, person)
    page.locator("#close-disable input[type=checkbox]").check()
    page.locator("#close-disable button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is closed")
    page.goto(f"{shop.idp.url}/account")
    log_in(page, person)
    page.click("#return-submit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Ada Lovelace")
