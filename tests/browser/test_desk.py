"""The desk in a real browser: a payment that was given up while the provider was away is seen there, and made by a button."""

from __future__ import annotations

import secrets
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop, open_shop
from tests.browser.test_login_with import log_in
from tests.browser.test_shop import at_the_goods, becomes, order
from tests.resource_server.apis import PROVIDER_SECRET, simulator
from tests.support.ports import free_port


def at_the_desk(page: Page, shop: Shop, *roles: str) -> None:
    """Somebody of these roles, logged in for the desk."""
    name = f"sam.{secrets.token_hex(3)}"
    shop.idp.user(name, *(word for role in roles for word in ("--role", role)))
    page.goto(shop.app)
    page.get_by_role("link", name="For staff").click()
    page.click("#desk-login")
    log_in(page, name)
    expect(page.locator("main")).to_contain_text("Look after payments")
    page.click("#consent-allow")


def look_again_until(page: Page, letters: int) -> Locator:
    """What a person does who waits for figures to change; charges that were given up, once there are so many."""
    found = page.locator(".letter").filter(has_text="Charge a payment")
    for _ in range(60):
        if found.count() == letters:
            break
        page.wait_for_timeout(500)
        page.get_by_role("link", name="Look again").click()
    expect(found).to_have_count(letters)
    return found


def test_what_was_given_up_is_made_by_a_button(visit: Visit, tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "RS_PROVIDER_URL": f"http://127.0.0.1:{port}",
        "RS_PROVIDER_SECRET": PROVIDER_SECRET,
        "RS_JOB_RETRY_FIRST": "0.01",
    }
    buyer, staff = visit(), visit()
    with open_shop(tmp_path, **settings) as shop:
        at_the_goods(buyer, shop)
        order(buyer, "pen")
        buyer.click("#pay-order")
        becomes(buyer, "processing")

        at_the_desk(staff, shop, "finance")
        letter = look_again_until(staff, 1)
        expect(letter).to_contain_text("8 tries")
        expect(staff.locator("#dead")).to_have_class("bad")
        with simulator(tmp_path, "http://127.0.0.1:9/none", port=str(port)):
            letter.get_by_role("button", name="Try again").click()
            becomes(buyer, "succeeded")
        staff.get_by_role("link", name="Look again").click()
        look_again_until(staff, 0)
        expect(staff.locator("#balance")).to_contain_text("They balance")
        expect(staff.locator("main")).to_contain_text("49.00 EUR")

        customer = visit()
        at_the_desk(customer, shop)
        expect(customer.locator("#sorry")).to_be_visible()
        expect(customer.locator("main")).to_contain_text("You may not do that.")


def test_whoever_leaves_the_desk_is_logged_out(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_desk(page, shop, "finance")
    expect(page.locator("#balance")).to_be_visible()
    page.click("#leave")
    page.wait_for_url(f"{shop.app}/")
    page.get_by_role("link", name="For staff").click()
    page.click("#desk-login")
    expect(page.locator("form#login")).to_be_visible()
