"""Every journey without a mouse: Tab, Enter, Space and what is typed."""

from __future__ import annotations

import secrets

from playwright.sync_api import Page, expect

from tests.browser import audit
from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.test_login_with import go_to_login
from tests.support.running import PASSWORD
from tests.users.joining import CODE, code_in
from tests.users.mail import letter_about

MOST = 40


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus, and see that it shows."""
    wanted = page.locator(selector)
    for _ in range(MOST):
        if wanted.evaluate("node => node === document.activeElement"):
            assert wanted.evaluate("node => parseFloat(getComputedStyle(node).outlineWidth)") >= 2, selector
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {selector}")


def type_in(page: Page, selector: str, text: str) -> None:
    tab_to(page, selector)
    page.keyboard.type(text)


def press(page: Page, selector: str, key: str = "Enter") -> None:
    tab_to(page, selector)
    page.keyboard.press(key)


def test_sign_in_allow_and_sign_out(visit: Visit, shop: Shop) -> None:
    page, person = visit(), shop.person()
    go_to_login(page, shop)
    type_in(page, "#username", person)
    type_in(page, "#password", PASSWORD)
    press(page, "#login-submit")
    expect(page.locator("form#consent")).to_be_visible()
    press(page, "#consent-allow", "Space")
    page.wait_for_url(f"{shop.app}/profile")
    page.goto(f"{shop.idp.url}/oauth/logout")
    press(page, "#logout-confirm")
    expect(page.locator("main#signed-out")).to_be_visible()


def test_sign_up_and_come_back_after_a_mistake(visit: Visit, shop: Shop) -> None:
    page, name = visit(), f"ada.{secrets.token_hex(3)}"
    page.goto(f"{shop.idp.url}/signup")
    type_in(page, "#username", name)
    type_in(page, "#email", f"{name}@example.com")
    type_in(page, "#password", "short")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#password")).to_be_focused()
    type_in(page, "#password", PASSWORD)
    press(page, "#signup-submit")
    expect(page.locator("form#verify")).to_be_visible()
    type_in(page, "#code", code_in(letter_about(shop.idp, f"{name}@example.com", CODE)))
    page.keyboard.press("Enter")
    expect(page.locator("form#login")).to_be_visible()


def test_choose_a_language(visit: Visit, shop: Shop) -> None:
    page = visit()
    page.goto(f"{shop.idp.url}/login")
    press(page, ".languages summary")
    press(page, ".languages a[hreflang=ja]")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    assert audit.tab_stops(page)[:3] == ["username", "password", "login-submit"]


def test_protect_the_account(visit: Visit, shop: Shop) -> None:
    page, person = visit(), shop.person()
    page.goto(f"{shop.idp.url}/account/security")
    type_in(page, "#username", person)
    type_in(page, "#password", PASSWORD)
    page.keyboard.press("Enter")
    press(page, "#password-change")
    expect(page.locator("form#password-change")).to_be_visible()
    page.go_back()
    press(page, "#authenticator-add")
    expect(page.locator("#secret")).to_be_visible()
    type_in(page, "#code", "000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#code")).to_be_focused()
