"""The shop of the sample app in a real browser: an order, its payment from accepted to paid, and refusals that are explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop, open_shop
from tests.browser.test_login_with import go_to_login, log_in
from tests.browser.test_paying import age, log_in_again
from tests.resource_server.apis import PROVIDER_SECRET, simulator
from tests.users.test_second_factor import earlier

SETTLED_MS = 30_000
PHONE = {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose payments are made by a provider that takes its time."""
    folder: Path = tmp_path_factory.mktemp("shop-with-provider")
    with ExitStack() as stack:
        # Nothing answers to its callbacks: what is pending is asked for.
        slow = {"latency": "0.5", "late": "3", "hang": "1.5"}
        provider = stack.enter_context(simulator(folder, "http://127.0.0.1:9/none", **slow))
        settings = {
            "RS_PROVIDER_URL": provider,
            "RS_PROVIDER_SECRET": PROVIDER_SECRET,
            "RS_PROVIDER_FOLLOW": "0.5",
            "RS_PROVIDER_TIMEOUT": "1",
            "RS_JOB_RETRY_FIRST": "0.2",
        }
        yield stack.enter_context(open_shop(folder, **settings))


def at_the_goods(page: Page, shop: Shop) -> str:
    """Somebody new, logged in, everything allowed, looking at the goods."""
    name = shop.person()
    go_to_login(page, shop)
    log_in(page, name)
    page.click("#consent-allow")
    page.wait_for_url(f"{shop.app}/profile")
    page.get_by_role("link", name="Goods").click()
    return name


def order(page: Page, goods: str, quantity: str = "1") -> None:
    page.get_by_role("link", name="Goods", exact=True).click()
    form = page.locator(f"#buy-{goods}")
    form.locator("select").select_option(quantity)
    form.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order")


def becomes(page: Page, status: str) -> None:
    """The page shows it in the end, by looking again by itself."""
    expect(page.locator(f"#payment[data-status={status}]")).to_be_visible(timeout=SETTLED_MS)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_an_order_is_paid_while_the_buyer_watches(visit: Visit, shop: Shop, javascript: bool) -> None:
    page = visit(java_script_enabled=javascript)
    at_the_goods(page, shop)
    order(page, "notebook", "3")
    expect(page.locator("#lines")).to_contain_text("3 × Notebook")
    expect(page.locator("#lines tfoot")).to_contain_text("36.00 EUR")

    page.click("#pay-order")
    becomes(page, "succeeded")
    expect(page.get_by_role("status")).to_contain_text("Thank you!")
    expect(page.locator(".steps li span")).to_have_text(["Accepted", "On its way", "Paid"])
    expect(page.locator("#pay-order")).to_have_count(0)

    page.get_by_role("link", name="Back to the goods").click()
    expect(page.locator("#orders")).to_contain_text("36.00 EUR")
    page.get_by_role("link", name="Payments").click()
    expect(page.locator("tr.payment")).to_have_count(1)
    expect(page.locator("tr.payment")).to_contain_text("paid")


def test_a_slow_payment_is_seen_on_its_way(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "clock")
    page.click("#pay-order")
    becomes(page, "processing")
    expect(page.locator("main")).to_contain_text("This page looks again by itself.")
    becomes(page, "succeeded")


def test_a_payment_that_is_declined_says_why_and_may_be_tried_again(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "vase")
    page.click("#pay-order")
    becomes(page, "failed")
    expect(page.get_by_role("status")).to_contain_text("there is not enough money in the account")
    page.get_by_role("button", name="Try again").click()
    becomes(page, "created")
    becomes(page, "failed")
    page.get_by_role("link", name="Payments").click()
    expect(page.locator("tr.payment")).to_have_count(2)


def test_a_bank_that_answers_too_late_is_paid_once(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "kettle")
    page.click("#pay-order")
    becomes(page, "succeeded")
    page.get_by_role("link", name="Payments").click()
    expect(page.locator("tr.payment")).to_have_count(1)


def test_much_is_paid_after_a_fresh_login_with_a_second_factor_only(visit: Visit, shop: Shop) -> None:
    page = visit()
    name = at_the_goods(page, shop)
    start_to_pay_much(page, shop, name)
    expect(page.get_by_role("main")).to_contain_text("Set up a second factor in your account.")

    authenticator = add_authenticator(page, shop)
    start_to_pay_much(page, shop, name)
    expect(page.locator("form#otp")).to_be_visible()
    page.fill("input[name=code]", authenticator.now())
    page.click("#otp-submit")
    becomes(page, "succeeded")
    expect(page.locator("#lines")).to_contain_text("1,249.00 EUR")


def start_to_pay_much(page: Page, shop: Shop, name: str) -> None:
    """Up to the login that is asked for again, with an older one at hand, and through it."""
    age(shop, name, 600)
    log_in_again(page, shop)
    order(page, "desk")
    page.click("#pay-order")
    expect(page.locator("form#login")).to_be_visible()
    assert page.url.startswith(shop.idp.url)
    log_in(page, name)


def add_authenticator(page: Page, shop: Shop) -> pyotp.TOTP:
    """A second factor for whoever is logged in."""
    page.goto(f"{shop.idp.url}/account/security")
    page.click("#authenticator-add")
    secret = page.locator("#secret").inner_text()
    page.fill("input[name=code]", earlier(secret))
    page.click("#authenticator-form button")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    return pyotp.TOTP(secret)


def test_an_order_is_called_off_and_its_money_given_back(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "pen")
    page.click("#pay-order")
    becomes(page, "succeeded")
    page.click("#call-off")
    becomes(page, "refunded")
    expect(page.locator("#called-off")).to_be_visible()
    expect(page.locator(".steps li span").last).to_have_text("Given back")


def test_what_was_not_allowed_is_named(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "pen")
    page.click("#pay-order")
    becomes(page, "succeeded")
    page.click("#money-back")
    expect(page.locator("#sorry")).to_be_visible()
    expect(page.locator("main")).to_contain_text("You did not allow this app to do that")
    expect(page.locator("main")).to_contain_text("payments:refund")


def test_everything_fits_on_a_phone(visit: Visit, shop: Shop) -> None:
    page = visit(viewport=PHONE)
    at_the_goods(page, shop)
    _fits(page)
    order(page, "pen", "2")
    _fits(page)
    page.click("#pay-order")
    becomes(page, "succeeded")
    _fits(page)


def test_nobody_sees_what_somebody_else_ordered(visit: Visit, shop: Shop) -> None:
    page, other = visit(), visit()
    at_the_goods(page, shop)
    order(page, "pen")
    at_the_goods(other, shop)
    other.goto(page.url)
    expect(other.locator("#sorry")).to_be_visible()


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
