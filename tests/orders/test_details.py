"""A token that allows one payment in detail pays exactly that order by a checkout, once, together and apart (RFC 9396)."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp.cli import demo_payments
from tests.orders.apart import Apart
from tests.orders.ordering import TOTAL, ask, key, now, ordered
from tests.orders.test_checkouts import payments
from tests.payments.paying import Till, euros, over
from tests.resource_server.apis import Apis, Caller, problem
from tests.support.flows import App, Browser

SCOPE = "openid orders:read orders:write payments:read payments:write"


class Payer(App):
    """An app that asks for single payments."""

    def allowed(self, apis: Apis, person: str, *entries: dict[str, Any]) -> Caller:
        details = {"authorization_details": json.dumps(entries)} if entries else {}
        tokens = self.tokens(Browser(apis.idp.url), person, scope=SCOPE, **details)
        return Caller(apis.url, tokens["access_token"])


@pytest.fixture(scope="module")
def payer(apis: Apis) -> Payer:
    places = [apis.url, f"{apis.url}/payments"] if isinstance(apis, Apart) else [apis.url]
    apis.idp.cli(
        *("details-type", "create", demo_payments.TYPE, "--schema", "-", "--name", demo_payments.NAME, "--once"),
        *(word for place in places for word in ("--resource", place)),
        stdin=json.dumps(demo_payments.SCHEMA),
    )
    client = apis.idp.client(
        redirect_uris=["https://payer.test/cb"],
        grant_types=["authorization_code"],
        audience=[apis.url],
        authorization_details_types=[demo_payments.TYPE],
    )
    return Payer(apis.idp.url, client)


def entry(apis: Apis, order: str, value: int = TOTAL, **members: Any) -> dict[str, Any]:
    places = [apis.url, f"{apis.url}/payments"] if isinstance(apis, Apart) else [apis.url]
    made = {"type": demo_payments.TYPE, "actions": ["create"], "locations": places}
    return {**made, "instructed_amount": euros(value), "order": order, **members}


@pytest.fixture
def person(apis: Apis) -> str:
    return apis.new_person()


def checkouts(order: dict[str, Any]) -> str:
    return f"/v2/orders/{order['id']}/checkouts"


def test_it_pays_exactly_that_order_and_once(apis: Apis, payer: Payer, person: str) -> None:
    caller = payer.allowed(apis, person)
    order, other = ordered(caller), ordered(caller)
    bound = payer.allowed(apis, person, entry(apis, order["id"]))
    problem(ask(bound, checkouts(other)), 403, "insufficient_authorization_details")
    header = key()
    first = bound.post(checkouts(order), {}, **header)
    assert first.status_code == 202, first.text
    assert over(caller, first.json())["status"] == "succeeded"
    assert now(caller, order)["status"] == "paid"
    assert bound.post(checkouts(order), {}, **header).json()["id"] == first.json()["id"], "a repeat is the first answer"
    direct = {"amount": euros(TOTAL), "order": order["id"]}
    problem(ask(bound, "/v2/payments", direct), 403, "insufficient_authorization_details")
    assert len(payments(caller, order)) == 1


def test_another_sum_is_not_paid(apis: Apis, payer: Payer, person: str) -> None:
    caller = payer.allowed(apis, person)
    order = ordered(caller)
    for value in (TOTAL - 1, TOTAL + 1):
        bound = payer.allowed(apis, person, entry(apis, order["id"], value))
        problem(ask(bound, checkouts(order)), 403, "insufficient_authorization_details")
    assert (now(caller, order)["status"], payments(caller, order)) == ("draft", [])


def test_what_was_paid_directly_is_not_checked_out(apis: Apis, payer: Payer, till: Till, person: str) -> None:
    """The use at payments counts, whoever asks: the checkout fails, and nothing is charged for it."""
    caller = payer.allowed(apis, person)
    order = ordered(caller)
    bound = payer.allowed(apis, person, entry(apis, order["id"]))
    direct = ask(bound, "/v2/payments", {"amount": euros(TOTAL), "order": order["id"]})
    over(bound, direct.json())
    done = over(bound, ask(bound, checkouts(order)).json())
    assert (done["status"], done["error"]["reason"]) == ("failed", "insufficient_authorization_details")
    assert now(caller, order)["status"] == "payment_failed"
    (payment,) = payments(caller, order)
    assert till.charged(payment)["state"] == "succeeded"


def test_after_a_declined_payment_it_is_used_up(apis: Apis, payer: Payer, person: str) -> None:
    caller = payer.allowed(apis, person)
    order = ordered(caller, 6601)
    bound = payer.allowed(apis, person, entry(apis, order["id"], 6601))
    assert over(bound, ask(bound, checkouts(order)).json())["error"]["code"] == "payment_declined"
    problem(ask(bound, checkouts(order)), 403, "insufficient_authorization_details")


def test_of_many_at_once_one_pays(apis: Apis, payer: Payer, person: str) -> None:
    caller = payer.allowed(apis, person)
    order = ordered(caller)
    bound = payer.allowed(apis, person, entry(apis, order["id"]))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(bound, checkouts(order)), range(8)))
    operations = [answer.json() for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 403, 409, 412}
    assert [over(caller, one)["status"] for one in operations] == ["succeeded"]
    assert len(payments(caller, order)) == 1


@pytest.mark.parametrize("apis", ["apart-sqlite"], indirect=True)
def test_a_worker_that_holds_no_token_uses_it_up_as_well(apis: Apart, payer: Payer, person: str) -> None:
    """Orders die after they acknowledged: what they then say themselves is the use of what was allowed."""
    caller = payer.allowed(apis, person)
    order = ordered(caller)
    bound = payer.allowed(apis, person, entry(apis, order["id"]))
    apis.stop("payments")
    try:
        waiting = ask(bound, checkouts(order)).json()
        apis.kill("orders")
        apis.start("orders")
    finally:
        apis.start("payments")
    assert over(caller, waiting)["status"] == "succeeded"
    direct = {"amount": euros(TOTAL), "order": order["id"]}
    problem(ask(bound, "/v2/payments", direct), 403, "insufficient_authorization_details")
    assert len(payments(caller, order)) == 1


@pytest.mark.parametrize("apis", ["apart-sqlite"], indirect=True)
def test_what_does_not_count_at_payments_pays_nothing_there(apis: Apart, payer: Payer, person: str) -> None:
    caller = payer.allowed(apis, person)
    order = ordered(caller)
    bound = payer.allowed(apis, person, entry(apis, order["id"], locations=[apis.url]))
    problem(ask(bound, checkouts(order)), 403, "access_denied")
    assert now(caller, order)["status"] == "draft"


def test_a_made_up_order_is_nobodys(apis: Apis, payer: Payer, person: str) -> None:
    bound = payer.allowed(apis, person, entry(apis, "ord_" + "0" * 26))
    problem(ask(bound, f"/v2/orders/ord_{secrets.token_hex(8)}/checkouts"), 404, "not_found")
