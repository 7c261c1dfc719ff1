"""Choosing a password in Chromium: the meter speaks while one is typed, and the page works without any script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.test_login_with import log_in

NEW = "another horse 48 clip"


def to_the_page(page: Page, shop: Shop, name: str) -> None:
    page.goto(f"{shop.idp.url}/account/password")
    log_in(page, name)
    expect(page.locator("form#password-change")).to_be_visible()


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "Too short"),
        ("aaaaaaaaaaaaaaaaaaaa", "Easy to guess"),
        ("abcdefghijklmnopqrst", "Easy to guess"),
        ("correct horse battery", "Good"),
        ("Correct horse 47 battery staple!", "Very good"),
    ],
)
def test_the_meter_tells_how_good_a_password_is(visit: Visit, shop: Shop, password: str, words: str) -> None:
    page = visit()
    page.goto(f"{shop.idp.url}/signup")
    meter = page.locator("[data-strength]")
    expect(meter).to_be_hidden()
    page.fill("input[name=password]", password)
    expect(meter.get_by_role("status")).to_have_text(words)
    page.fill("input[name=password]", "")
    expect(meter).to_be_hidden()


def test_the_meter_knows_ones_own_names(visit: Visit, shop: Shop) -> None:
    page = visit()
    page.goto(f"{shop.idp.url}/signup")
    page.fill("input[name=username]", "margaretehamilton")
    page.fill("input[name=password]", "margaretehamilton1")
    expect(page.locator("[data-strength]").get_by_role("status")).to_have_text("Too much of your own name")


@pytest.mark.parametrize("script", [True, False])
def test_a_password_is_changed_and_this_browser_stays_signed_in(visit: Visit, shop: Shop, script: bool) -> None:
    page, name = visit(java_script_enabled=script), shop.person()
    to_the_page(page, shop, name)
    page.fill("input[name=password]", "password1234567")
    page.click("#password-submit")
    expect(page.get_by_role("alert")).to_have_text("This password is too common.")
    page.fill("input[name=password]", NEW)
    page.click("#password-submit")
    expect(page.get_by_role("heading", name="Your new password is set")).to_be_visible()
    page.get_by_role("link", name="Back to security").click()
    page.wait_for_url(f"{shop.idp.url}/account/security")
