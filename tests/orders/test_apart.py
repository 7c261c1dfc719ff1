"""Orders and payments in processes of their own: on whose behalf one calls the other, and what happens while one of them is away."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resource_server.calls.identity import ServiceKey
from resource_server.calls.opening import service_key
from resource_server.platform.secret import Secret
from resource_server.settings import load
from resource_server.simulator.magic import Magic
from tests.delegation.support import audited
from tests.orders.apart import SECRET, Apart
from tests.orders.ordering import TOTAL, ask, now, ordered, steps
from tests.orders.test_checkouts import checked_out, paid_for, payments
from tests.payments.paying import Till, accepted, euros, eventually, over
from tests.resource_server.apis import Caller, problem

WAYS = ["apart-postgresql", pytest.param("apart-sqlite", marks=pytest.mark.full)]
pytestmark = pytest.mark.parametrize("apis", WAYS, indirect=True)


@pytest.fixture
def apart(apis: Apart) -> Apart:
    """The services apart."""
    return apis


@contextlib.contextmanager
def away(apart: Apart, service: str) -> Iterator[None]:
    """A service that is stopped, and back at the end."""
    apart.stop(service)
    try:
        yield
    finally:
        apart.start(service)


def operation(caller: Caller, found: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = caller.get(f"/v2/operations/{found['id']}").json()
    return shown


def paid_once(till: Till, caller: Caller, order: dict[str, Any]) -> None:
    """One payment of the whole sum, one charge."""
    (payment,) = payments(caller, order)
    assert (payment["status"], payment["amount"]) == ("succeeded", euros(order["total"]["value"]))
    assert till.charged(payment)["captured"] == order["total"]["value"]


# -- on whose behalf --------------------------------------------------------------------------------------------------


def test_the_issuer_agrees_to_each_checkout_and_says_for_whom(till: Till, apart: Apart) -> None:
    caller = apart.person()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    entry = audited(apart.idp, "token.exchanged")
    assert (entry["client_id"], entry["actor"], entry["sub"]) == ("svc-orders", "svc-orders", order["owner"])
    assert (entry["audience"], entry["scope"]) == (f"{apart.url}/payments", "payments:write")


def test_without_the_issuers_rule_nobody_pays_through_orders(apart: Apart) -> None:
    caller = apart.person()
    order = ordered(caller)
    audience = ("--audience", f"{apart.url}/payments")
    apart.idp.cli("exchange", "delete", "svc-orders", *audience)
    try:
        problem(ask(caller, f"/v2/orders/{order['id']}/checkouts"), 403, "access_denied")
        assert steps(caller, order) == ["draft"]
    finally:
        rule = ("--scope", "payments:write", "--from-audience", apart.url)
        apart.idp.cli("exchange", "allow", "svc-orders", *audience, *rule)
    assert paid_for(caller, order)["status"] == "paid"


def key_of(apart: Apart, service: str) -> ServiceKey:
    environ = {f"{name}": value for name, value in apart.settings.items()}
    return service_key(load(environ), Secret(SECRET), service)


def test_what_a_service_says_is_believed_of_that_service_only(till: Till, apart: Apart) -> None:
    audience, owner = f"{apart.url}/payments", "somebody"
    stranger = ServiceKey("svc-orders", Ed25519PrivateKey.generate())
    orders, itself = key_of(apart, "orders"), key_of(apart, "payments")
    old = ServiceKey("svc-orders", orders._private, now=lambda: time.time() - 300)
    refused = {
        "another's key": stranger.context(audience, "payments:read", subject=owner),
        "a service that is not trusted here": itself.context(audience, "payments:read", subject=owner),
        "for another service": orders.context(f"{apart.url}/orders", "payments:read", subject=owner),
        "too old": old.context(audience, "payments:read", subject=owner),
    }
    for token in refused.values():
        problem(Caller(apart.url, token).get("/v2/payments"), 401, "invalid_token")
    assert Caller(apart.url, orders.context(audience, "payments:read", subject=owner)).get("/v2/payments").json() == {
        "items": [],
        "next_page_token": None,
    }


def test_a_context_pays_exactly_what_it_says_and_once(apart: Apart) -> None:
    key, audience = f"chk_{secrets.token_hex(8)}", f"{apart.url}/payments"
    detail = {
        "type": "payment_initiation",
        "actions": ["create"],
        "locations": [audience],
        "instructed_amount": euros(500),
        "authorization_id": key,
    }

    def caller() -> Caller:
        token = key_of(apart, "orders").context(audience, "payments:write", subject="somebody", details=[detail])
        return Caller(apart.url, token)

    def pay(value: int, under: str) -> Any:
        return caller().post("/v2/payments", {"amount": euros(value)}, **{"Idempotency-Key": under})

    problem(pay(501, key), 403, "insufficient_authorization_details")
    first, again = pay(500, key), pay(500, key)
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 202, first.json()["id"])
    problem(pay(500, f"{key}x"), 403, "insufficient_authorization_details")


# -- while somebody is away -------------------------------------------------------------------------------------------


def test_while_payments_are_away_checkouts_wait_and_drafts_are_taken(till: Till, apart: Apart) -> None:
    caller = apart.person()
    first = ordered(caller)
    with away(apart, "payments"):
        waiting = checked_out(caller, first)
        second = ordered(caller)
        assert operation(caller, waiting)["status"] == "running"
        assert (now(caller, first)["status"], now(caller, second)["status"]) == ("awaiting_payment", "draft")
    assert over(caller, waiting)["status"] == "succeeded"
    paid_once(till, caller, first)


def test_a_checkout_outlives_payments_that_are_away_and_orders_that_die_meanwhile(till: Till, apart: Apart) -> None:
    caller = apart.person()
    order = ordered(caller)
    with away(apart, "payments"):
        waiting = checked_out(caller, order)
        apart.kill("orders")  # and with it the token that it held
        apart.start("orders")
        assert operation(caller, waiting)["status"] == "running"
    assert over(caller, waiting)["status"] == "succeeded"
    paid_once(till, caller, order)


def test_what_became_of_a_payment_reaches_orders_that_were_away(till: Till, apart: Apart) -> None:
    caller = apart.person()
    order = ordered(caller, int(Magic.LATE_CALLBACK))
    waiting = checked_out(caller, order)
    eventually(lambda: payments(caller, order), bool)
    with away(apart, "orders"):
        eventually(lambda: payments(caller, order)[0]["status"], lambda status: status == "succeeded")
    assert over(caller, waiting)["status"] == "succeeded"
    assert now(caller, order)["status"] == "paid"


def test_an_order_called_off_while_payments_are_away_costs_nothing(till: Till, apart: Apart) -> None:
    caller = apart.person()
    paid, waiting = ordered(caller), ordered(caller)
    assert paid_for(caller, paid)["status"] == "paid"
    with away(apart, "payments"):
        checked_out(caller, waiting)
        ends = [accepted(caller, f"/v2/orders/{order['id']}/cancellations") for order in (paid, waiting)]
        assert {now(caller, order)["status"] for order in (paid, waiting)} == {"canceled"}
    assert [over(caller, one)["status"] for one in ends] == ["succeeded", "succeeded"]
    assert [one["status"] for one in payments(caller, paid)] == ["refunded"]
    assert {one["status"] for one in payments(caller, waiting)} <= {"refunded"}


def test_while_the_issuer_is_away_nothing_is_begun(apart: Apart) -> None:
    caller = apart.person()
    order = ordered(caller)
    with away(apart, "orders"):
        pass  # orders start anew, so they hold no token from before
    assert now(caller, order)["status"] == "draft", (
        "and they know the keys and what was revoked, so it is not that which they lack"
    )
    port = apart.idp.port
    apart.idp.nodes.pop(0).stop()
    try:
        response = ask(caller, f"/v2/orders/{order['id']}/checkouts")
        problem(response, 503, "unavailable")
        assert response.headers["Retry-After"]
        assert steps(caller, order) == ["draft"]
    finally:
        apart.idp.node(port)
    assert paid_for(caller, order)["total"] == euros(TOTAL)
