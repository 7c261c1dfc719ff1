"""Paying in the sample app: exactly one sum that was allowed, and a fresh or stronger login where the API wants one for much (RFC 9396, RFC 9470)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from idp.settings_source import load
from idp.users.models import SessionRow
from tests.browser.conftest import Visit
from tests.browser.shop import Shop, open_shop
from tests.browser.test_login_with import go_to_login, log_in
from tests.support.databases import open_database
from tests.users.test_second_factor import enrol

MUCH = "1000.00"


def at_the_payments(page: Page, shop: Shop, name: str) -> None:
    """Logged in, everything allowed, at the page where one pays."""
    go_to_login(page, shop)
    log_in(page, name)
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    page.goto(f"{shop.app}/payments")


def log_in_again(page: Page, shop: Shop) -> None:
    """Forget the app's own session, and come back by the one at the identity provider: no page is shown."""
    page.context.clear_cookies(name="shop-window")
    page.goto(shop.app)
    page.click("#log-in-with")
    page.wait_for_url(f"{shop.app}/profile")
    page.goto(f"{shop.app}/payments")


def start_another_login(page: Page, shop: Shop) -> None:
    """A login that somebody else began, in the app's same session (third-party-initiated login)."""
    page.goto(f"{shop.app}/login/start?iss={shop.idp.issuer}")
    page.wait_for_url(f"{shop.app}/profile")
    page.goto(f"{shop.app}/payments")


def age(shop: Shop, name: str, seconds: int) -> None:
    """Let the person's logins have been so long ago."""
    sub = shop.idp.cli("user", "show", name)["sub"]
    database = open_database(load(shop.idp.environ).database)
    with database.write() as tx:
        older = sa.update(SessionRow).where(SessionRow.sub == sub).values(auth_time=SessionRow.auth_time - seconds)
        assert tx.execute(older).rowcount
    database.engine.dispose()


def pay(page: Page, amount: str, button: str = "#pay-submit") -> None:
    page.fill("input[name=amount]", amount)
    page.click(button)


def paid(page: Page, *amounts: str) -> None:
    """These payments are listed, the newest first, and no other."""
    expect(page.locator("tr.payment td.amount")).to_have_text([f"{amount} EUR" for amount in amounts])


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_a_payment_that_was_allowed_by_itself(visit: Visit, shop: Shop, javascript: bool) -> None:
    page = visit(java_script_enabled=javascript)
    at_the_payments(page, shop, shop.person())
    pay(page, "47.11", "#pay-exactly")
    expect(page.locator("form#consent")).to_be_visible()
    expect(page.locator(".details")).to_contain_text("Pay 47.11 EUR, exactly this and once")
    page.locator(".details summary").click()
    expect(page.locator(".details dl")).to_contain_text("4711")
    page.click("#consent-allow")
    paid(page, "47.11")
    pay(page, "5.00", "#pay-exactly")
    expect(page.locator(".details")).to_contain_text("5.00 EUR")
    page.click("#consent-allow")
    paid(page, "5.00", "47.11")


def test_whoever_denies_it_pays_nothing_and_no_later_login_does(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_payments(page, shop, shop.person())
    pay(page, "47.11", "#pay-exactly")
    page.click("#consent-deny")
    expect(page.locator("#sorry")).to_be_visible()
    start_another_login(page, shop)
    paid(page)


def test_a_payment_left_alone_is_not_made_by_the_next_login(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_payments(page, shop, shop.person())
    pay(page, "47.11", "#pay-exactly")
    expect(page.locator("form#consent")).to_be_visible()
    start_another_login(page, shop)
    paid(page)


def test_somebody_else_who_answers_pays_nothing(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_payments(page, shop, shop.person())
    pay(page, "47.11", "#pay-exactly")
    page.get_by_role("button", name="Sign in as someone else").click()
    page.get_by_text("Use another account").click()
    log_in(page, shop.person())
    page.click("#consent-allow")
    expect(page.locator("main")).to_contain_text("Nothing was paid")


def test_much_is_paid_after_a_fresh_login_only(visit: Visit, shop: Shop) -> None:
    page, name = visit(), shop.person()
    at_the_payments(page, shop, name)
    age(shop, name, 600)
    log_in_again(page, shop)
    pay(page, "999.99")
    paid(page, "999.99")

    pay(page, MUCH)
    expect(page.locator("form#login")).to_be_visible()
    assert page.url.startswith(shop.idp.url)
    log_in(page, name, "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, name)
    page.wait_for_url(f"{shop.app}/payments")
    paid(page, MUCH, "999.99")

    pay(page, MUCH)
    paid(page, MUCH, MUCH, "999.99")


def test_whoever_does_not_log_in_again_pays_nothing(visit: Visit, shop: Shop) -> None:
    page, name = visit(), shop.person()
    at_the_payments(page, shop, name)
    age(shop, name, 600)
    log_in_again(page, shop)
    pay(page, MUCH)
    page.click("#login-cancel")
    expect(page.locator("#sorry")).to_be_visible()
    page.goto(f"{shop.app}/payments")
    paid(page)


@pytest.fixture(scope="module")
def strict_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose API wants a second factor for much."""
    folder: Path = tmp_path_factory.mktemp("strict-shop")
    with open_shop(folder, RS_STEP_UP_ACR="2fa,phr") as opened:
        yield opened


def test_much_is_paid_with_a_second_factor(visit: Visit, strict_shop: Shop) -> None:
    page, shop, name = visit(), strict_shop, strict_shop.person()
    at_the_payments(page, shop, name)
    pay(page, MUCH)
    expect(page.locator("main")).to_contain_text("Set up a second factor in your account")

    secret, _ = enrol(shop.idp, name)
    page.goto(f"{shop.app}/payments")
    pay(page, MUCH)
    expect(page.locator("form#otp")).to_be_visible()
    page.fill("input[name=code]", pyotp.TOTP(secret).now())
    page.click("#otp-submit")
    page.wait_for_url(f"{shop.app}/payments")
    paid(page, MUCH)
