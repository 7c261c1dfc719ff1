"""What becomes of an order and its payments is told to the app through which it was placed, and to no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.orders.ordering import now, ordered
from tests.orders.test_checkouts import paid_for
from tests.payments.paying import Till, accepted, ask, euros, eventually, key, over
from tests.payments.test_webhooks import Hooks, endpoint, removed
from tests.resource_server.apis import ALL, SHOP, Apis, Caller
from tests.support.flows import App, Browser


@dataclass(frozen=True)
class Shop:
    """An app with customers, which also calls for itself."""

    apis: Apis
    app: App
    itself: Caller

    def customer(self) -> Caller:
        name = self.apis.new_person()
        return Caller(self.apis.url, self.app.tokens(Browser(self.apis.idp.url), name, scope=ALL)["access_token"])

    def told(self, order: str) -> set[str]:
        """The events of an order and of its payments that are this app's to know."""
        events = self.itself.get("/v2/events?limit=100").json()["items"]
        return {one["type"] for one in events if order in {one["data"]["id"], one["data"].get("order")}}


def opened(apis: Apis) -> Shop:
    grants = ["authorization_code", "client_credentials"]
    client = apis.idp.client(
        client_name="Shop", audience=[apis.url], redirect_uris=[f"{SHOP}/back"], grant_types=grants
    )
    app = App(apis.idp.url, client)
    given = app.post("/oauth/token", grant_type="client_credentials", scope="webhooks:manage payments:read")
    return Shop(apis, app, Caller(apis.url, given.json()["access_token"]))


@pytest.fixture(scope="module")
def shop(apis: Apis) -> Shop:
    return opened(apis)


@pytest.fixture(scope="module")
def other(apis: Apis) -> Shop:
    return opened(apis)


@pytest.fixture
def listening(shop: Shop) -> Iterator[Hooks]:
    hooks = Hooks()
    threading.Thread(target=hooks.server.serve_forever, daemon=True).start()
    made = endpoint(shop.itself, hooks)
    yield hooks
    removed(shop.itself, made)
    hooks.server.shutdown()


PAID = {"payment.created", "payment.processing", "payment.succeeded"}


def test_the_app_that_placed_an_order_hears_of_its_payment_and_that_it_was_sent(
    shop: Shop, other: Shop, till: Till, listening: Hooks
) -> None:
    caller = shop.customer()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    assert over(till.support(), accepted(till.support(), f"/v2/orders/{order['id']}/fulfilments"))["error"] is None
    ((_, event),) = listening.told(order, 1)
    assert (event["type"], event["data"]["status"]) == ("order.fulfilled", "fulfilled")
    (payment,) = caller.get(f"/v2/payments?order={order['id']}").json()["items"]
    assert {event["type"] for _, event in listening.told(payment, 3)} == PAID
    assert shop.told(order["id"]) == {*PAID, "order.fulfilled"}
    assert other.told(order["id"]) == set()


def test_it_hears_that_the_money_goes_back(shop: Shop, listening: Hooks) -> None:
    caller = shop.customer()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    over(caller, accepted(caller, f"/v2/orders/{order['id']}/cancellations"))
    eventually(lambda: shop.told(order["id"]), lambda told: "payment.refunded" in told)
    (payment,) = caller.get(f"/v2/payments?order={order['id']}").json()["items"]
    assert {event["type"] for _, event in listening.told(payment, 4)} == {*PAID, "payment.refunded"}


def test_it_hears_of_what_was_placed_by_v1_and_paid_through_another_app(shop: Shop, other: Shop) -> None:
    name = shop.apis.new_person()
    here, there = (
        Caller(shop.apis.url, one.app.tokens(Browser(shop.apis.idp.url), name, scope=ALL)["access_token"])
        for one in (shop, other)
    )
    lines = [{"sku": "A-1", "quantity": 1, "unit_price": "2.50"}]
    order = here.post("/v1/orders", {"lines": lines, "currency": "EUR"}, **key()).json()
    over(there, accepted(there, f"/v2/orders/{order['id']}/checkouts"))
    assert now(here, order)["status"] == "paid"
    eventually(lambda: shop.told(order["id"]), lambda told: told == PAID)
    assert other.told(order["id"]) == set()


def test_nobody_else_says_for_which_app_they_pay(shop: Shop, other: Shop) -> None:
    caller = shop.customer()
    order = ordered(caller)
    named = {"For-App": other.app.client_id}
    made = ask(caller, "/v2/payments", {"amount": euros(849), "order": order["id"]}, **named)
    assert made.status_code == 202
    eventually(lambda: shop.told(order["id"]), lambda told: told == PAID)
    assert other.told(order["id"]) == set()
