"""Two people side by side in one Chromium: added, chosen with the keyboard, signed out one at a time; pictures are kept."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.shop import Shop
from tests.browser.test_login_with import log_in


def test_two_people_share_a_browser(visit: Visit, shop: Shop, look: Looker) -> None:
    page = visit()
    one, two = shop.person(), shop.person()
    page.goto(f"{shop.idp.url}/login")
    log_in(page, one)

    page.goto(f"{shop.idp.url}/account/switch")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose an account")
    expect(page.locator("form#login")).to_be_hidden()
    page.get_by_text("Use another account").click()
    log_in(page, two)
    expect(page.locator("main")).to_contain_text(two)

    page.goto(f"{shop.idp.url}/account/switch")
    expect(page.locator(".choices li")).to_have_count(2)
    look(page, "choose-account")
    page.get_by_text("Use another account").click()
    look(page, "choose-account-another")
    page.get_by_role("button", name=f"{one}@example.com").press("Enter")
    expect(page.locator("main")).to_contain_text(one)
    expect(page.locator("main")).not_to_contain_text(two)

    page.goto(f"{shop.idp.url}/oauth/logout")
    expect(page.locator("#logout-everybody")).to_be_visible()
    look(page, "logout-one-of-two")
    page.click("#logout-confirm")
    page.goto(f"{shop.idp.url}/login")
    expect(page.locator(".choices li")).to_have_count(1)
    page.get_by_role("button", name=f"{two}@example.com").click()
    expect(page.locator("main")).to_contain_text(two)


def test_the_app_is_told_who_was_chosen_after_not_you(visit: Visit, shop: Shop) -> None:
    page, one, two = visit(), shop.person(), shop.person()
    page.goto(f"{shop.idp.url}/login")
    log_in(page, one)
    page.goto(f"{shop.idp.url}/account/switch")
    page.get_by_text("Use another account").click()
    log_in(page, two)
    page.goto(shop.app)
    page.click("#log-in-with")
    expect(page.locator("main")).to_contain_text(two)
    page.get_by_role("button", name="Sign in as someone else").click()
    page.get_by_role("button", name=f"{one}@example.com").click()
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    expect(page.locator("#claims")).to_contain_text(f"{one}@example.com")
    page.goto(f"{shop.idp.url}/oauth/logout")
    page.click("#logout-everybody")
    expect(page.locator("#signed-out")).to_be_visible()
    page.goto(f"{shop.idp.url}/account/switch")
    expect(page.locator("form#login")).to_be_visible()
