"""The shop of the sample app in a real browser: an order, its payment from accepted to paid, and refusals that are explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop, open_shop
from tests.browser.test_login_with import go_to_login, log_in
from tests.browser.test_paying import age, log_in_again
from tests.support.totp import earlier

SETTLED_MS = 30_000
PHONE = {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose payments are made by a provider that takes its time."""
    slow = {"latency": "0.5", "late": "8", "hang": "1.5"}
    settings = {"RS_PROVIDER_FOLLOW": "0.5", "RS_PROVIDER_TIMEOUT": "1", "RS_JOB_RETRY_FIRST": "0.2"}
    with open_shop(tmp_path_factory.mktemp("shop-with-provider"), provider=slow, **settings) as opened:
        yield opened


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
    with page.expect_navigation():
        page.get_by_role("button", name="Try again").click()
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


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [("#confirm", "succeeded", "Thank you!"), ("#refuse", "failed", "you did not confirm that it was you")],
    ids=["confirmed", "refused"],
)
def test_a_bank_asks_its_customer_and_sends_them_back(
    visit: Visit, shop: Shop, answer: str, status: str, said: str, javascript: bool
) -> None:
    page = visit(java_script_enabled=javascript)
    at_the_goods(page, shop)
    order(page, "globe")
    page.click("#pay-order")
    becomes(page, "requires_authentication")
    expect(page.get_by_role("status")).to_contain_text("Your bank wants to hear from you")
    ours = page.url
    page.get_by_role("button", name="Go to your bank").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you who pays?")
    expect(page.locator("#amount")).to_have_text("66.07 EUR")
    page.click(answer)
    becomes(page, status)
    assert page.url.startswith(ours)
    expect(page.get_by_role("status")).to_contain_text(said)
    expect(page.locator("#to-the-bank")).to_have_count(0)


def test_whoever_left_their_bank_without_an_answer_may_go_there_again(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "globe")
    page.click("#pay-order")
    becomes(page, "requires_authentication")
    page.click("#to-the-bank")
    expect(page.locator("#confirm")).to_be_visible()
    page.go_back()
    page.click("#to-the-bank")
    page.click("#confirm")
    becomes(page, "succeeded")


def test_two_windows_pay_an_order_once(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "pen")
    other = page.context.new_page()
    other.goto(page.url)
    page.click("#pay-order")
    becomes(page, "succeeded")
    other.click("#pay-order")
    expect(other.locator("#moved")).to_be_visible()
    becomes(other, "succeeded")
    other.get_by_role("link", name="Payments").click()
    expect(other.locator("tr.payment")).to_have_count(1)


def test_a_click_too_many_pays_once(visit: Visit, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "pen")
    page.dblclick("#pay-order")
    becomes(page, "succeeded")
    page.get_by_role("link", name="Payments").click()
    expect(page.locator("tr.payment")).to_have_count(1)


@pytest.mark.parametrize("quantity", ["0", "-1", "10", "1e9", "9" * 400, "", "one"])
def test_a_quantity_that_is_none_orders_nothing(visit: Visit, shop: Shop, quantity: str) -> None:
    page = visit()
    at_the_goods(page, shop)
    page.locator("#buy-pen option").first.evaluate("(option, value) => { option.value = value }", quantity)
    page.locator("#buy-pen").get_by_role("button").click()
    expect(page.locator("#sorry")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The shop does not understand that.")
    expect(page.locator("#number")).to_have_text(re.compile("^[0-9a-f]{32}$"))
    page.get_by_role("link", name="Back to the shop").click()
    page.get_by_role("link", name="Goods").click()
    expect(page.locator("#orders")).to_have_count(0)


@pytest.mark.parametrize(
    "path", ["/orders/ord_00000000000000000000000000", "/orders/..%3Fx", "/orders/%00", "/orders/" + "x" * 999]
)
def test_an_order_that_is_none_is_said_to_be_none(visit: Visit, shop: Shop, path: str) -> None:
    page = visit()
    at_the_goods(page, shop)
    page.goto(f"{shop.app}{path}")
    expect(page.locator("#sorry")).to_be_visible()


def test_much_is_paid_after_a_fresh_login_with_a_second_factor_only(visit: Visit, shop: Shop) -> None:
    """Who has none is led to where one sets it up, and goes on with the same order."""
    page = visit()
    name = at_the_goods(page, shop)
    start_to_pay_much(page, shop, name)
    expect(page.get_by_role("main")).to_contain_text("Set up a second factor in your account")
    with page.expect_popup() as opened:
        page.click("#security")
    authenticator = add_authenticator(opened.value)

    page.get_by_role("link", name="Back to the order").click()
    page.click("#pay-order")
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


def add_authenticator(page: Page) -> pyotp.TOTP:
    """A second factor for whoever looks at the security of their account."""
    page.click("#authenticator-add")
    secret = page.locator("#secret").inner_text()
    page.fill("input[name=code]", earlier(secret))
    page.click("#authenticator-form button")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    return pyotp.TOTP(secret)


def test_while_the_services_are_away_the_page_of_an_order_keeps_what_it_shows_and_looks_again(
    chromium: Browser, tmp_path: Path
) -> None:
    with open_shop(tmp_path, RS_PROVIDER_URL="http://127.0.0.1:9") as shop, chromium.new_context() as context:
        page = context.new_page()
        at_the_goods(page, shop)
        order(page, "pen")
        page.click("#pay-order")
        becomes(page, "processing")
        shop.services.kill()
        for _ in range(2):
            with page.expect_response(lambda response: response.status == 502):
                """It has asked."""
        becomes(page, "processing")
        page.reload()
        expect(page.locator("main")).to_contain_text("The shop cannot be reached right now.")
        page.click("#again")
        expect(page.locator("#sorry")).to_be_visible()
        assert page.url.startswith(f"{shop.app}/orders/")


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
    expect(page.locator("main")).to_contain_text("This shop was not given the right to do that")
    expect(page.locator("main")).to_contain_text("payments:refund")
    expect(page.locator("#number")).to_have_text(re.compile("^[0-9a-f]{32}$"))
    page.get_by_role("link", name="Back to the shop").click()
    expect(page).to_have_url(f"{shop.app}/shop")


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
