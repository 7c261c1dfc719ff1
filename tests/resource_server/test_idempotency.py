"""Idempotency keys: a repeat of a payment makes nothing new, whoever sends it how often at once."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.resource_server.apis import Apis, Caller, problem

PAYMENT = {"amount": "12.34", "currency": "EUR"}


def paid(caller: Caller, **headers: str) -> str:
    """The id of a new payment."""
    response = caller.post("/v1/payments", PAYMENT, **headers)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def total(caller: Caller) -> int:
    return int(caller.get("/v1/payments").json()["total"])


def key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(8)}


def test_a_repeat_with_its_key_gets_the_first_answer_and_makes_nothing(apis: Apis) -> None:
    caller, same = apis.person(), key()
    first = caller.post("/v1/payments", PAYMENT, **same)
    reordered = dict(reversed(PAYMENT.items()))
    again = caller.post("/v1/payments", reordered, **same)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert total(caller) == 1


def test_twenty_twins_at_once_make_one_payment(apis: Apis) -> None:
    caller, same = apis.person(), key()
    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda _: caller.post("/v1/payments", PAYMENT, **same), range(20)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert sum("Idempotency-Replayed" not in response.headers for response in responses) == 1
    assert total(caller) == 1


def test_twenty_without_a_key_make_twenty(apis: Apis) -> None:
    caller = apis.person()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: paid(caller), range(20)))
    assert len(set(answers)) == total(caller) == 20


def test_a_key_is_for_one_request_only(apis: Apis) -> None:
    caller, same = apis.person(), key()
    paid(caller, **same)
    problem(caller.post("/v1/payments", {**PAYMENT, "amount": "12.35"}, **same), 422, "idempotency_key_reused")
    assert total(caller) == 1


def test_a_refused_request_does_not_use_up_its_key(apis: Apis) -> None:
    caller, same = apis.person(), key()
    problem(caller.post("/v1/payments", {**PAYMENT, "amount": "x"}, **same), 422, "invalid")
    paid(caller, **same)


def test_the_same_key_of_two_callers_is_two_keys(apis: Apis) -> None:
    same = key()
    answers = [paid(caller, **same) for caller in (apis.person(), apis.person(), apis.machine())]
    assert len(set(answers)) == 3


@pytest.mark.parametrize("value", ["", "a" * 256, "a\tb", "\xe9"])
def test_a_key_that_is_none_is_refused(somebody: Caller, value: str) -> None:
    response = somebody.request(
        "POST", "/v1/payments", json=PAYMENT, headers={"Idempotency-Key": value.encode("latin-1")}
    )
    problem(response, 400, "invalid_idempotency_key")
