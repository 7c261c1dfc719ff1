"""Every page, light and dark, on a phone and on a desk: readable, labelled, within its width; pictures are kept."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser import audit
from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.shop import Shop
from tests.browser.test_login_with import go_to_login, log_in
from tests.support.totp import earlier

METERED = {"signup", "signup-refused", "password"}
"""Where a new password is chosen, one small script tells how good it is."""


@pytest.mark.timeout(900)  # every page there is, each judged in several sizes and themes
def test_every_page_is_readable_labelled_and_within_its_width(visit: Visit, shop: Shop, look: Looker) -> None:
    page = visit()
    for name in _walk(page, shop):
        look(page, name)
        if page.url.startswith(shop.idp.url):
            assert page.evaluate("() => document.scripts.length") == int(name in METERED), name


def _walk(page: Page, shop: Shop) -> Iterator[str]:
    """Visits every page there is, and says which one is in view."""
    person = shop.person()
    page.goto(shop.app)
    yield "app-home"
    go_to_login(page, shop)
    yield "login"
    log_in(page, person, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "login-refused"
    page.get_by_role("link", name="Create an account").click()
    expect(page.locator("#signup-submit")).to_be_visible()
    yield "signup"
    page.fill("input[name=username]", "somebody")
    page.fill("input[name=email]", "somebody@example.com")
    page.fill("input[name=password]", "short")
    page.click("#signup-submit")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "signup-refused"
    page.get_by_role("link", name="Sign in").click()
    log_in(page, person)
    expect(page.locator("form#consent")).to_be_visible()
    yield "consent"
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    yield "app-profile"
    page.get_by_role("link", name="Payments").click()
    page.wait_for_url(f"{shop.app}/payments")
    yield "app-payments-none"
    page.click("#pay-submit")
    expect(page.locator("tr.payment")).to_have_count(1)
    yield "app-payments"
    page.click("#pay-exactly")
    page.locator(".details summary").click()
    yield "consent-details"
    page.click("#consent-allow")
    expect(page.locator("tr.payment")).to_have_count(2)
    yield from _walk_security(page, shop, person)
    yield from _walk_home(page, shop)


def _walk_security(page: Page, shop: Shop, person: str) -> Iterator[str]:
    page.goto(f"{shop.idp.url}/account/security")
    yield "security"
    page.click("#password-change")
    expect(page.locator("form#password-change")).to_be_visible()
    yield "password"
    page.get_by_role("link", name="Not now").click()
    page.click("#authenticator-add")
    secret = page.locator("#secret").inner_text()
    yield "authenticator"
    page.fill("input[name=code]", "000000")
    page.click("#authenticator-form button")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "authenticator-refused"
    page.fill("input[name=code]", earlier(secret))
    page.click("#authenticator-form button")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    yield "recovery-codes"
    page.get_by_role("link", name="I have kept them").click()
    yield "security-on"
    page.context.clear_cookies()
    page.goto(f"{shop.idp.url}/account/security")
    log_in(page, person)
    expect(page.locator("form#otp")).to_be_visible()
    yield "otp"
    page.fill("input[name=code]", "123")
    page.click("#otp-submit")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "otp-refused"
    page.get_by_role("link", name="Use a recovery code").click()
    expect(page.locator("form#recovery")).to_be_visible()
    yield "recovery"
    page.get_by_role("link", name="Use the authenticator app instead").click()
    page.fill("input[name=code]", pyotp.TOTP(secret).now())
    page.click("#otp-submit")
    page.wait_for_url(f"{shop.idp.url}/account/security")


def _walk_home(page: Page, shop: Shop) -> Iterator[str]:
    page.goto(f"{shop.app}/callback?error=access_denied")
    yield "app-sorry"
    page.goto(f"{shop.idp.url}/password/forgot")
    yield "forgot"
    page.fill("input[name=email]", f"nobody-{secrets.token_hex(4)}@example.com")
    page.click("#forgot-submit")
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    yield "forgot-sent"
    page.goto(f"{shop.idp.url}/password/reset?token=none")
    yield "link-gone"
    page.goto(shop.idp.url)
    yield "home-signed-in"
    page.goto(f"{shop.idp.url}/oauth/logout")
    yield "logout"
    page.click("#logout-confirm")
    expect(page.locator("#logout-confirm")).to_have_count(0)
    yield "signed-out"
    page.goto(shop.idp.url)
    yield "home"
    page.goto(f"{shop.idp.url}/oauth/authorize?client_id={shop.client_id}&redirect_uri=https://evil.test/")
    expect(page.locator("main#error")).to_have_attribute("data-error", "invalid_redirect_uri")
    yield "error"


def test_the_account_of_who_uses_an_app(visit: Visit, shop: Shop, look: Looker) -> None:
    page = visit()
    go_to_login(page, shop)
    log_in(page, shop.person())
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    for name in ("profile", "apps", "access", "activity"):
        page.goto(f"{shop.idp.url}/account/{name}")
        expect(page.locator("nav a[aria-current=page]")).to_have_attribute("href", f"{shop.idp.url}/account/{name}")
        look(page, f"account-{name}")


def test_tab_goes_through_the_login_in_reading_order(visit: Visit, shop: Shop) -> None:
    page = visit()
    go_to_login(page, shop)
    expect(page.locator("input[name=username]")).to_be_focused()
    assert audit.tab_stops(page)[:4] == ["username", "password", "login-submit", "login-cancel"]
    log_in(page, shop.person(), "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("input[name=password]")).to_be_focused()
    log_in(page, shop.person())
    expect(page.locator("form#consent")).to_be_visible()
    assert audit.tab_stops(page)[:2] == ["consent-allow", "consent-deny"]


def test_a_refused_login_is_announced_and_tied_to_its_fields(visit: Visit, shop: Shop) -> None:
    page = visit()
    go_to_login(page, shop)
    log_in(page, shop.person(), "wrong")
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    for field in ("username", "password"):
        control = page.locator(f"input[name={field}]")
        expect(control).to_have_attribute("aria-invalid", "true")
        expect(control).to_have_attribute("aria-describedby", str(alert.get_attribute("id")))
    expect(page).to_have_title("Sign in to Demo shop window · Account")


def test_what_has_focus_can_be_seen(visit: Visit, shop: Shop) -> None:
    page = visit()
    go_to_login(page, shop)
    for field in ("input[name=username]", "input[name=password]", "#login-submit", "#login-cancel"):
        page.keyboard.press("Tab")
        page.locator(field).focus()
        width = page.locator(field).evaluate("node => parseFloat(getComputedStyle(node).outlineWidth)")
        assert width >= 2, field


def test_text_may_be_twice_as_large_on_a_phone(visit: Visit, shop: Shop) -> None:
    page = visit(viewport={"width": 375, "height": 720})
    go_to_login(page, shop)
    log_in(page, shop.person())
    for leave in ("Sign in as someone else", "Cancel"):
        expect(page.get_by_role("button", name=leave)).to_be_visible()
        page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
        assert audit.facts(page)["wide"] <= 0
        page.get_by_role("button", name=leave).click()


def test_only_the_identity_provider_and_the_app_are_asked_for_anything(visit: Visit, shop: Shop) -> None:
    page = visit()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    go_to_login(page, shop)
    log_in(page, shop.person())
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    assert hosts - {""} == {urlsplit(shop.app).netloc, urlsplit(shop.idp.url).netloc}
