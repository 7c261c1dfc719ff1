"""Checkouts and cancellations over HTTP: acknowledged, followed, paid once, called off, given back; alike together and apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from resource_server.simulator.magic import Magic
from tests.orders.ordering import TOTAL, amended, ask, key, now, ordered, steps
from tests.payments.paying import Till, accepted, euros, eventually, over, shown
from tests.resource_server.apis import Caller, problem

DECLINED, TIMES_OUT_BUT_CHARGED = int(Magic.DECLINE), int(Magic.TIME_OUT_BUT_CHARGED)


def checked_out(caller: Caller, order: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The operation of a checkout that was acknowledged."""
    return accepted(caller, f"/v2/orders/{order['id']}/checkouts", more)


def paid_for(caller: Caller, order: dict[str, Any]) -> dict[str, Any]:
    """The order once its checkout is over."""
    over(caller, checked_out(caller, order))
    return now(caller, order)


def checkouts(caller: Caller, order: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = caller.get(f"/v2/orders/{order['id']}/checkouts").json()["items"]
    return items


def payments(caller: Caller, order: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = caller.get(f"/v2/payments?order={order['id']}").json()["items"]
    return items


def test_a_checkout_is_acknowledged_and_the_order_then_paid(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    operation = checked_out(caller, order)
    assert (operation["kind"], operation["resource"]) == ("order.checkout", f"/v2/orders/{order['id']}")
    done = over(caller, operation)
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert shown(caller, operation)["status"] == "paid"
    assert steps(caller, order) == ["draft", "awaiting_payment", "paid"]
    (checkout,) = checkouts(caller, order)
    (payment,) = payments(caller, order)
    assert (checkout["status"], checkout["payment"], checkout["amount"]) == ("succeeded", payment["id"], euros(TOTAL))
    assert (payment["amount"], payment["status"], payment["owner"]) == (euros(TOTAL), "succeeded", order["owner"])
    assert till.charged(payment)["state"] == "succeeded"


def test_who_would_rather_wait_gets_the_paid_order(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    response = ask(caller, f"/v2/orders/{order['id']}/checkouts", Prefer="wait=10")
    assert (response.status_code, response.headers["Preference-Applied"]) == (201, "wait=10")
    assert (response.json()["id"], response.json()["status"]) == (order["id"], "paid")
    assert response.headers["Location"] == f"/v2/orders/{order['id']}"


def test_fifty_twins_check_out_once(till: Till) -> None:
    caller, header = till.customer(), key()
    order = ordered(caller)
    path = f"/v2/orders/{order['id']}/checkouts"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: caller.post(path, {}, **header), range(50)))
    assert {answer.status_code for answer in answers} <= {202, 409, 412}
    operations = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert len(operations) == 1
    over(caller, {"id": operations.pop()})
    assert len(checkouts(caller, order)) == len(payments(caller, order)) == 1
    again = caller.post(path, {}, **header)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")


def test_of_many_checkouts_at_once_one_is_made(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(caller, f"/v2/orders/{order['id']}/checkouts"), range(8)))
    assert sorted(answer.status_code for answer in answers)[0] == 202
    assert {answer.status_code for answer in answers[1:]} <= {202, 409, 412}
    eventually(lambda: now(caller, order)["status"], lambda status: status == "paid")
    assert len(payments(caller, order)) == 1


def test_a_declined_payment_fails_and_may_be_tried_again(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller, DECLINED)
    done = over(caller, checked_out(caller, order))
    assert (done["status"], done["error"]["code"]) == ("failed", "payment_declined")
    assert now(caller, order)["status"] == "payment_failed"
    over(caller, checked_out(caller, order, method="pm_other"))
    assert steps(caller, order) == ["draft", *["awaiting_payment", "payment_failed"] * 2]
    assert [one["status"] for one in checkouts(caller, order)] == ["failed", "failed"]
    assert len(payments(caller, order)) == 2


def test_a_timeout_that_was_charged_is_one_charge_and_a_paid_order(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller, TIMES_OUT_BUT_CHARGED)
    assert paid_for(caller, order)["status"] == "paid"
    (payment,) = payments(caller, order)
    assert till.charged(payment)["state"] == "succeeded"


def test_what_is_checked_out_is_not_changed_or_checked_out_again(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    tag = caller.get(f"/v2/orders/{order['id']}").headers["ETag"]
    problem(amended(caller, order, tag), 409, "illegal_step")
    problem(ask(caller, f"/v2/orders/{order['id']}/checkouts"), 409, "illegal_step")
    assert len(checkouts(caller, order)) == 1


def test_an_order_of_nothing_is_not_checked_out(till: Till) -> None:
    caller = till.customer()
    problem(ask(caller, f"/v2/orders/{ordered(caller, 0)['id']}/checkouts"), 409, "illegal_step")


def test_a_paid_order_that_is_called_off_is_given_back(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    operation = accepted(caller, f"/v2/orders/{order['id']}/cancellations")
    assert operation["kind"] == "order.cancel"
    assert now(caller, order)["status"] == "canceled"
    assert over(caller, operation)["status"] == "succeeded"
    (payment,) = payments(caller, order)
    assert (payment["status"], payment["refunded"]) == ("refunded", euros(TOTAL))
    problem(ask(caller, f"/v2/orders/{order['id']}/cancellations"), 409, "illegal_step")


def test_a_draft_is_called_off_at_once(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    operation = accepted(caller, f"/v2/orders/{order['id']}/cancellations")
    assert operation["status"] == "succeeded"
    assert steps(caller, order) == ["draft", "canceled"]
    problem(ask(caller, f"/v2/orders/{order['id']}/checkouts"), 409, "illegal_step")
    assert payments(caller, order) == []


@pytest.mark.parametrize("value", [TOTAL, TIMES_OUT_BUT_CHARGED, DECLINED])
def test_an_order_called_off_while_it_is_paid_costs_nothing(till: Till, value: int) -> None:
    caller = till.customer()
    order = ordered(caller, value)
    checkout = checked_out(caller, order)
    cancellation = accepted(caller, f"/v2/orders/{order['id']}/cancellations")
    assert over(caller, cancellation)["status"] == "succeeded"
    over(caller, checkout)
    assert now(caller, order)["status"] == "canceled"
    assert {payment["status"] for payment in payments(caller, order)} <= {"refunded", "failed"}


def test_support_calls_off_but_pays_for_nobody(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    problem(ask(till.support(), f"/v2/orders/{order['id']}/checkouts"), 403, "access_denied")
    assert paid_for(caller, order)["status"] == "paid"
    operation = accepted(till.support(), f"/v2/orders/{order['id']}/cancellations")
    assert over(till.support(), operation)["status"] == "succeeded"
    assert {payment["status"] for payment in payments(caller, order)} == {"refunded"}


def test_paying_needs_the_scope_of_payments_too(till: Till) -> None:
    caller = till.apis.person("orders:read orders:write payments:read")
    response = ask(caller, f"/v2/orders/{ordered(caller)['id']}/checkouts")
    problem(response, 403, "insufficient_scope")
    assert 'scope="orders:write payments:write"' in response.headers["WWW-Authenticate"]


def test_anothers_checkouts_and_operations_are_not_there(till: Till) -> None:
    caller, stranger = till.customer(), till.other()
    order = ordered(caller)
    operation = checked_out(caller, order)
    over(caller, operation)
    for response in (
        ask(stranger, f"/v2/orders/{order['id']}/checkouts"),
        ask(stranger, f"/v2/orders/{order['id']}/cancellations"),
        stranger.get(f"/v2/orders/{order['id']}/checkouts"),
        stranger.get(f"/v2/operations/{operation['id']}"),
    ):
        problem(response, 404, "not_found")


@pytest.mark.parametrize("document", [{"method": "4111111111111111"}, {"method": None}, {"amount": 1}])
def test_a_checkout_that_does_not_fit_begins_nothing(till: Till, document: dict[str, Any]) -> None:
    caller = till.customer()
    order = ordered(caller)
    problem(ask(caller, f"/v2/orders/{order['id']}/checkouts", document), 422, "invalid")
    assert (now(caller, order)["status"], checkouts(caller, order)) == ("draft", [])


def test_what_only_services_say_nobody_else_can(till: Till) -> None:
    caller = till.customer()
    payment = payments(caller, order) if paid_for(caller, order := ordered(caller)) else []
    event = {"specversion": "1.0", "id": "1", "type": "payment.succeeded", "data": {}}
    for one in (caller, till.admin(), till.apis.machine()):
        problem(ask(one, "/v2/payment-events", event), 403, "insufficient_scope")
        problem(ask(one, f"/v2/payments/{payment[0]['id']}/reversals"), 403, "insufficient_scope")
