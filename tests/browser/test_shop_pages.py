"""Every page of the shop, of its desk and of the bank, light and dark, on a phone and on a desk: axe-core finds nothing, pictures are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from resource_server.payments import ledger
from resource_server.payments.models import JobRow, LedgerEntry
from resource_server.payments.settling import CAPTURE, CHARGE, REFUND
from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.shop import Shop, open_shop
from tests.browser.test_desk import at_the_desk
from tests.browser.test_login_with import log_in
from tests.browser.test_shop import at_the_goods, becomes, order
from tests.support.stores import open_payments

GIVEN_UP = 40
_KINDS = (CHARGE, CAPTURE, REFUND, "webhook.deliver", "a.kind.with.a.name.that.nobody.thought.of.when.this.was.built")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with a payment provider, whose API wants a second factor for much."""
    slow = {"latency": "0", "late": "3", "hang": "1.5"}
    with open_shop(tmp_path_factory.mktemp("looked-at-shop"), provider=slow) as opened:
        yield opened


def test_the_pages_of_a_buyer(visit: Visit, look: Looker, shop: Shop) -> None:
    page = visit()
    page.goto(shop.app)
    look(page, "shop-home")
    at_the_goods(page, shop)
    look(page, "shop-goods")
    order(page, "globe", "9")
    look(page, "shop-order-draft")
    page.click("#pay-order")
    becomes(page, "succeeded")
    look(page, "shop-order-paid")
    page.click("#call-off")
    becomes(page, "refunded")
    look(page, "shop-order-called-off")


def test_the_pages_of_whom_the_bank_declines(visit: Visit, look: Looker, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "vase")
    page.click("#pay-order")
    becomes(page, "failed")
    look(page, "shop-order-declined")
    page.get_by_role("link", name="Payments").click()
    look(page, "shop-payments")
    page.get_by_role("link", name="Profile").click()
    look(page, "shop-profile")
    page.goto(f"{shop.app}/orders/none")
    look(page, "shop-sorry")


def test_the_pages_of_who_pays_much(visit: Visit, look: Looker, shop: Shop) -> None:
    page = visit()
    name = at_the_goods(page, shop)
    order(page, "desk")
    page.click("#pay-order")
    if page.locator("form#login").is_visible():
        log_in(page, name)
    expect(page.locator("#stronger")).to_be_visible()
    look(page, "shop-second-step")
    page.goto(f"{shop.app}/shop")
    look(page, "shop-goods-and-orders")


def test_the_pages_of_a_bank(visit: Visit, look: Looker, shop: Shop) -> None:
    page = visit()
    at_the_goods(page, shop)
    order(page, "globe")
    page.click("#pay-order")
    becomes(page, "requires_authentication")
    look(page, "shop-order-bank-asks")
    page.click("#to-the-bank")
    expect(page.locator("#amount")).to_be_visible()
    look(page, "bank-asks")
    address = page.url
    page.click("#refuse")
    becomes(page, "failed")
    look(page, "shop-order-refused")
    page.goto(address)
    look(page, "bank-answered")
    page.goto(address.replace("return_to=http", "return_to=https"))
    look(page, "bank-unknown")


def test_a_desk_with_much_to_do(visit: Visit, look: Looker, shop: Shop) -> None:
    page = visit()
    page.goto(f"{shop.app}/desk")
    look(page, "desk-login")
    at_the_desk(page, shop, "finance")
    look(page, "desk-calm")
    much_goes_wrong(shop)
    page.get_by_role("link", name="Look again").click()
    expect(page.locator(".letter")).to_have_count(GIVEN_UP)
    expect(page.locator("#balance")).to_contain_text("They do not balance")
    look(page, "desk-alarm")
    page.evaluate("document.documentElement.dir = 'rtl'")
    look(page, "desk-alarm-rtl")


def much_goes_wrong(shop: Shop) -> None:
    """What must never be: money that came from nowhere, in two currencies; and work that was given up on."""
    store = open_payments(f"sqlite:///{shop.idp.folder / 'api' / 'resource-server-payments.sqlite3'}")
    now = time.time()
    entry = partial(dict, version=1, created_at=now)
    entries = [
        entry(payment_id="pay_lost", account="cash", currency="EUR", value=123_456_789_00),
        entry(payment_id="pay_lost", account="receivable", currency="EUR", value=-123_456_788_99),
        entry(payment_id="pay_yen", account="cash", currency="JPY", value=500_000),
        entry(payment_id="pay_dinar", account="refunds", currency="KWD", value=-1_234_567),
    ]
    job = partial(dict, payload={}, state="dead", due_at=now, announced_until=0.0, attempts=8, finished_at=now)
    jobs = [
        job(id=f"msg_{number:026}", kind=_KINDS[number % len(_KINDS)], last_error="ProviderDown", created_at=now)
        for number in range(GIVEN_UP)
    ]
    with store.change() as tx:
        tx.execute(sa.insert(LedgerEntry), entries)
        tx.execute(sa.insert(JobRow), jobs)
    ledger.recount(store)
    store.engine.dispose()
