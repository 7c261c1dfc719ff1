"""v2 over HTTP: acknowledged, followed, captured, canceled, given back; each by whom it may be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.payments.paying import Till, accepted, ask, euros, eventually, key, over, paid, shown, steps
from tests.resource_server.apis import problem

PAYMENT: dict[str, Any] = {"amount": {"value": 1234, "currency": "EUR"}}


def test_a_payment_is_acknowledged_and_then_done(till: Till) -> None:
    caller = till.customer()
    operation = accepted(caller, "/v2/payments", PAYMENT)
    assert operation["status"] in {"running", "succeeded"}
    done = over(caller, operation)
    assert (done["status"], done["error"]) == ("succeeded", None)
    payment = shown(caller, operation)
    assert payment["status"] == "succeeded"
    assert (payment["amount"], payment["captured"]) == (euros(1234), euros(1234))
    assert steps(caller, payment) == ["created", "processing", "succeeded"]
    assert till.charged(payment)["captured"] == 1234


def test_who_would_rather_wait_gets_the_payment(till: Till) -> None:
    response = ask(till.customer(), "/v2/payments", PAYMENT, Prefer="wait=10")
    assert response.status_code == 201, response.text
    assert response.headers["Preference-Applied"] == "wait=10"
    assert response.headers["Location"] == f"/v2/payments/{response.json()['id']}"
    assert response.json()["status"] == "succeeded"


def test_who_waits_too_short_follows_the_operation(till: Till) -> None:
    late = ask(till.customer(), "/v2/payments", {"amount": euros(6607)}, Prefer="wait=1")
    assert late.status_code == 202
    assert till.customer().get(late.headers["Location"]).headers["Retry-After"] == "1"


def test_fifty_twins_at_once_make_one_charge(till: Till) -> None:
    caller, same = till.apis.person(), key()
    with ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(lambda _: caller.post("/v2/payments", PAYMENT, **same), range(50)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.text for response in responses}) == 1
    assert sum("Idempotency-Replayed" not in response.headers for response in responses) == 1
    over(caller, responses[0].json())
    (payment,) = caller.get("/v2/payments").json()["items"]
    assert till.charged(payment)["captured"] == 1234


@pytest.mark.parametrize(
    ("amount", "pointer"),
    [
        ({"value": 12.0, "currency": "EUR"}, "/amount/value"),
        ({"value": "12", "currency": "EUR"}, "/amount/value"),
        ({"value": True, "currency": "EUR"}, "/amount/value"),
        ({"value": 0, "currency": "EUR"}, "/amount/value"),
        ({"value": -1, "currency": "EUR"}, "/amount/value"),
        ({"value": 2**53, "currency": "EUR"}, "/amount/value"),
        ({"value": 1, "currency": "eur"}, "/amount/currency"),
        ({"value": 1, "currency": "XXX"}, "/amount/currency"),
        ({"value": 1}, "/amount/currency"),
        ({"value": 1, "currency": "EUR", "exponent": 2}, "/amount/exponent"),
    ],
)
def test_money_is_a_whole_number_of_minor_units(till: Till, amount: Any, pointer: str) -> None:
    refused = problem(ask(till.customer(), "/v2/payments", {"amount": amount}), 422, "invalid")
    assert pointer in {error["pointer"] for error in refused["errors"]}


def test_a_key_is_needed(till: Till) -> None:
    problem(till.customer().post("/v2/payments", PAYMENT), 400, "idempotency_key_missing")


def test_an_authorized_payment_is_captured_in_part_and_the_rest_released(till: Till) -> None:
    payment = paid(till.customer(), 1000, capture="manual")
    assert payment["status"] == "authorized"
    path = f"/v2/payments/{payment['id']}/captures"
    problem(ask(till.finance(), path, {"amount": euros(1001)}), 422, "invalid")
    problem(ask(till.finance(), path, {"amount": {"value": 1, "currency": "USD"}}), 422, "invalid")
    operation = accepted(till.finance(), path, {"amount": euros(400)})
    assert over(till.finance(), operation)["status"] == "succeeded"
    now = shown(till.customer(), operation)
    assert (now["status"], now["captured"]) == ("succeeded", euros(400))
    assert till.charged(payment)["captured"] == 400
    problem(ask(till.finance(), path), 409, "illegal_step")


def test_the_customer_cancels_before_the_capture_and_not_after(till: Till) -> None:
    payment = paid(till.customer(), 1000, capture="manual")
    path = f"/v2/payments/{payment['id']}/cancellations"
    problem(ask(till.other(), path), 404, "not_found")
    operation = accepted(till.customer(), path)
    over(till.customer(), operation)
    assert shown(till.customer(), operation)["status"] == "canceled"
    assert till.charged(payment)["state"] == "canceled"
    problem(ask(till.customer(), f"/v2/payments/{paid(till.customer())['id']}/cancellations"), 409, "illegal_step")


def test_refunds_in_parts_until_nothing_is_left(till: Till) -> None:
    payment = paid(till.customer(), 1000)
    path = f"/v2/payments/{payment['id']}/refunds"
    over(till.finance(), accepted(till.finance(), path, {"amount": euros(300)}))
    assert till.customer().get(f"/v2/payments/{payment['id']}").json()["status"] == "partially_refunded"
    problem(ask(till.finance(), path, {"amount": euros(701)}), 422, "invalid")
    operation = accepted(till.finance(), path)
    over(till.finance(), operation)
    now = shown(till.customer(), operation)
    assert (now["status"], now["refunded"]) == ("refunded", euros(1000))
    assert steps(till.customer(), payment)[-2:] == ["partially_refunded", "refunded"]
    listed = till.customer().get(path).json()["items"]
    assert [(one["amount"]["value"], one["status"]) for one in listed] == [(300, "succeeded"), (700, "succeeded")]
    assert till.charged(payment)["refunded"] == 1000


def test_support_refunds_up_to_a_limit(till: Till) -> None:
    payment = paid(till.customer(), 20_000)
    path = f"/v2/payments/{payment['id']}/refunds"
    problem(ask(till.support(), path, {"amount": euros(5_001)}), 403, "refund_limit")
    assert over(till.finance(), accepted(till.support(), path, {"amount": euros(5_000)}))["status"] == "succeeded"


def test_a_large_refund_waits_for_a_second_person(till: Till) -> None:
    payment = paid(till.customer(), 90_000)
    path = f"/v2/payments/{payment['id']}/refunds"
    operation = accepted(till.finance(), path, {"amount": euros(60_000)})
    assert operation["status"] == "awaiting_approval"
    approvals = f"{path}/{operation['refund']}/approvals"
    problem(ask(till.finance(), approvals), 403, "second_person_needed")
    problem(ask(till.support(), approvals), 403, "access_denied")
    problem(ask(till.finance(), path, {"amount": euros(1)}), 409, "operation_running")
    assert till.charged(payment)["refunded"] == 0
    accepted(till.second(), approvals)
    assert over(till.finance(), operation)["status"] == "succeeded"
    assert till.charged(payment)["refunded"] == 60_000
    problem(ask(till.second(), approvals), 409, "illegal_step")


def test_a_large_refund_that_is_not_approved_gives_nothing_back(till: Till) -> None:
    payment = paid(till.customer(), 90_000)
    path = f"/v2/payments/{payment['id']}/refunds"
    operation = accepted(till.finance(), path)
    accepted(till.admin(), f"{path}/{operation['refund']}/rejections")
    done = over(till.finance(), operation)
    assert (done["status"], done["error"]["code"]) == ("failed", "refund_rejected")
    assert shown(till.customer(), operation)["status"] == "succeeded"
    assert till.charged(payment)["refunded"] == 0


def test_an_admin_refunds_alone_whatever_it_is(till: Till) -> None:
    payment = paid(till.customer(), 90_000)
    operation = accepted(till.admin(), f"/v2/payments/{payment['id']}/refunds")
    assert over(till.admin(), operation)["status"] == "succeeded"


def test_others_see_nothing_support_sees_no_names_finance_sees_all(till: Till) -> None:
    payment = paid(till.customer())
    path = f"/v2/payments/{payment['id']}"
    for suffix in ("", "/transitions", "/refunds"):
        problem(till.other().get(path + suffix), 404, "not_found")
    masked = till.support().get(path).json()
    assert (masked["owner"], masked["method"], masked["amount"]) == (None, None, payment["amount"])
    assert till.finance().get(path).json() == payment
    assert till.admin().get(path).json() == payment


def test_the_list_is_filtered_and_paged(till: Till) -> None:
    caller = till.apis.person()
    made = [paid(caller, 100 + number)["id"] for number in range(3)]
    order = "ord_" + "7" * 26
    ordered = paid(caller, 500, order=order)["id"]
    first = caller.get("/v2/payments?limit=2").json()
    rest = caller.get(f"/v2/payments?limit=2&page_token={first['next_page_token']}").json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [ordered, *reversed(made)]
    assert rest["next_page_token"] is None
    assert [one["id"] for one in caller.get(f"/v2/payments?order={order}").json()["items"]] == [ordered]
    assert caller.get("/v2/payments?status=failed").json()["items"] == []
    problem(caller.get("/v2/payments?status=lost"), 400, "invalid_parameter")


def test_a_payment_that_did_not_change_is_not_sent_again(till: Till) -> None:
    payment = paid(till.customer())
    path = f"/v2/payments/{payment['id']}"
    tag = till.customer().get(path).headers["ETag"]
    assert till.customer().request("GET", path, headers={"If-None-Match": tag}).status_code == 304


def test_somebody_elses_operation_does_not_exist(till: Till) -> None:
    operation = accepted(till.customer(), "/v2/payments", PAYMENT)
    problem(till.other().get(f"/v2/operations/{operation['id']}"), 404, "not_found")
    problem(till.other().get("/v2/operations/op_none"), 404, "not_found")
    eventually(lambda: over(till.customer(), operation), lambda seen: seen["done"])


def test_v1_shows_the_same_payment_in_its_own_words(till: Till) -> None:
    payment = paid(till.customer(), 1234)
    seen = till.customer().get(f"/v1/payments/{payment['id']}").json()
    assert (seen["amount"], seen["currency"], seen["status"]) == ("12.34", "EUR", "paid")
    held = paid(till.customer(), 1000, capture="manual")
    assert till.customer().get(f"/v1/payments/{held['id']}").json()["status"] == "pending"
