"""Orders and payments: who may make and see them, exact money, and pages."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.payments.paying import Till, eventually
from tests.resource_server.apis import Apis, Caller, problem

PAYMENT = {"amount": "12.34", "currency": "EUR"}
LINE = {"sku": "A-1", "quantity": 3, "unit_price": "2.50"}
ORDER = {"lines": [LINE, {"sku": "B-2", "quantity": 1, "unit_price": "0.99"}], "currency": "EUR"}
KINDS = [("orders", ORDER), ("payments", PAYMENT)]
kinds = pytest.mark.parametrize(("kind", "document"), KINDS, ids=["orders", "payments"])


def made(caller: Caller, kind: str, document: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = caller.post(f"/v1/{kind}", document, **headers)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v1/{kind}/{answer['id']}"
    return answer


def total(caller: Caller, kind: str) -> int:
    return int(caller.get(f"/v1/{kind}").json()["total"])


def pointers(response: Any) -> list[str]:
    return [one["pointer"] for one in problem(response, 422, "invalid")["errors"]]


def test_an_order_has_its_computed_total(somebody: Caller) -> None:
    order = made(somebody, "orders", ORDER)
    assert re.fullmatch(r"ord_[a-v0-9]{26}", order["id"])
    assert (order["total"], order["currency"], order["status"]) == ("8.49", "EUR", "draft")
    assert order["lines"] == ORDER["lines"]
    assert somebody.get(f"/v1/orders/{order['id']}").json() == order


def test_a_payment_of_an_order_is_settled_in_time(somebody: Caller) -> None:
    order = made(somebody, "orders", ORDER)
    payment = made(somebody, "payments", {"amount": order["total"], "currency": "EUR", "order": order["id"]})
    assert re.fullmatch(r"pay_[a-v0-9]{26}", payment["id"])
    assert (payment["amount"], payment["order"]) == ("8.49", order["id"])
    assert payment["status"] in {"pending", "paid"}  # it waits for a while, not for ever
    deadline = time.monotonic() + 20
    while (now := somebody.get(f"/v1/payments/{payment['id']}").json())["status"] == "pending":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert now == {**payment, "status": "paid"}


def test_a_payment_that_takes_long_is_answered_in_time_and_settled_later(apis: Apis, somebody: Caller) -> None:
    """v1 waits for 2 s; the payer takes longer."""
    till = Till(apis)
    begin = time.monotonic()
    payment = made(somebody, "payments", {"amount": "66.07", "currency": "EUR"})
    assert payment["status"] == "pending"
    assert time.monotonic() - begin >= 2
    waiting = eventually(
        lambda: somebody.get(f"/v2/payments/{payment['id']}").json(),
        lambda seen: seen["status"] == "requires_authentication",
    )
    till.authenticate(waiting, passed=True)
    eventually(lambda: somebody.get(f"/v1/payments/{payment['id']}").json(), lambda seen: seen["status"] == "paid")


@kinds
def test_another_persons_is_the_same_404_as_what_does_not_exist(
    somebody: Caller, somebody_else: Caller, machine: Caller, kind: str, document: dict[str, Any]
) -> None:
    mine = made(somebody, kind, document)
    absent = f"{mine['id'][:-6]}000000"
    for stranger in (somebody_else, machine):
        theirs = problem(stranger.get(f"/v1/{kind}/{mine['id']}"), 404, "not_found")
        nothing = problem(stranger.get(f"/v1/{kind}/{absent}"), 404, "not_found")
        own = {"instance", "trace_id"}
        assert {k: v for k, v in theirs.items() if k not in own} == {k: v for k, v in nothing.items() if k not in own}
        assert mine["id"] not in stranger.get(f"/v1/{kind}?per_page=100").text
    assert mine["id"] in somebody.get(f"/v1/{kind}?per_page=100").text


@kinds
def test_a_service_has_things_of_its_own(machine: Caller, kind: str, document: dict[str, Any]) -> None:
    own = made(machine, kind, document)
    assert machine.get(f"/v1/{kind}/{own['id']}").json()["id"] == own["id"]
    assert own["id"] in machine.get(f"/v1/{kind}").text


@kinds
def test_reading_and_writing_need_a_scope_each(apis: Apis, kind: str, document: dict[str, Any]) -> None:
    reader, writer = apis.person(f"{kind}:read"), apis.person(f"{kind}:write")
    own = made(writer, kind, document)
    refused = {
        f"{kind}:write": [reader.post(f"/v1/{kind}", document)],
        f"{kind}:read": [writer.get(f"/v1/{kind}"), writer.get(f"/v1/{kind}/{own['id']}")],
    }
    for scope, responses in refused.items():
        for response in responses:
            problem(response, 403, "insufficient_scope")
            assert f'scope="{scope}"' in response.headers["WWW-Authenticate"]
    assert total(reader, kind) == 0


def test_an_unchanged_order_is_not_sent_again(somebody: Caller) -> None:
    path = f"/v1/orders/{made(somebody, 'orders', ORDER)['id']}"
    tag = somebody.get(path).headers["ETag"]
    again = somebody.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert somebody.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@kinds
def test_pages_hold_everything_once_and_the_newest_first(apis: Apis, kind: str, document: dict[str, Any]) -> None:
    caller = apis.person()
    ids = [made(caller, kind, document)["id"] for _ in range(5)]
    pages = [caller.get(f"/v1/{kind}?page={page}&per_page=2").json() for page in (1, 2, 3, 4)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1, 0]
    assert {(page["total"], page["per_page"]) for page in pages} == {(5, 2)}
    found = [item["id"] for page in pages for item in page["items"]]
    assert found == sorted(ids, reverse=True)


@kinds
@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=", "page=1.5", "page=%D9%A1", "page=1000001", "per_page=0", "per_page=101"],
)
def test_a_page_that_cannot_be_is_refused(somebody: Caller, kind: str, document: dict[str, Any], query: str) -> None:
    problem(somebody.get(f"/v1/{kind}?{query}"), 400, "invalid_parameter")


def test_the_last_page_that_can_be_asked_for_is_empty(somebody: Caller) -> None:
    assert somebody.get("/v1/orders?page=1000000&per_page=100").json()["items"] == []


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.01", "EUR"), ("1", "JPY"), ("0.001", "KWD"), ("90071992547409.91", "EUR"), ("9007199254740991", "JPY")],
)
def test_money_is_kept_exactly(somebody: Caller, amount: str, currency: str) -> None:
    payment = made(somebody, "payments", {"amount": amount, "currency": currency})
    assert somebody.get(f"/v1/payments/{payment['id']}").json()["amount"] == amount


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        *[(amount, "EUR") for amount in ("0", "0.00", "-1", "+1", "1.234", "01", ".5", "1.", "1e3", "1,5", " 1", "")],
        *[(amount, "EUR") for amount in ("NaN", "Infinity", "0x10", "١", "1\n", "90071992547409.92", "9" * 20)],
        *[("1.5", "JPY"), ("1.2345", "KWD"), ("1", "XXX"), ("1", "eur")],
    ],
)
def test_an_amount_that_is_none_is_refused(somebody: Caller, amount: str, currency: str) -> None:
    response = somebody.post("/v1/payments", {"amount": amount, "currency": currency})
    assert pointers(response) == ["/amount"]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"currency": "EUR"}, "/amount"),
        ({**PAYMENT, "amount": 12.34}, "/amount"),
        ({**PAYMENT, "amount": 12}, "/amount"),
        ({**PAYMENT, "amount": None}, "/amount"),
        ({**PAYMENT, "amount": "9" * 21}, "/amount"),
        ({**PAYMENT, "currency": "EURO"}, "/currency"),
        ({**PAYMENT, "order": "ord_1"}, "/order"),
        ({**PAYMENT, "order": f"ord_{'a' * 26}\n"}, "/order"),
        ({**PAYMENT, "status": "paid"}, "/status"),
        ({**PAYMENT, "a/b~c": 1}, "/a~1b~0c"),
        ([], ""),
    ],
)
def test_a_payment_that_does_not_fit_is_told_where(somebody: Caller, document: Any, pointer: str) -> None:
    assert pointers(somebody.post("/v1/payments", document)) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"lines": []}, "/lines"),
        ({"lines": [LINE] * 101}, "/lines"),
        ({"lines": [{**LINE, "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [LINE, {**LINE, "quantity": 1.0}]}, "/lines/1/quantity"),
        ({"lines": [{**LINE, "quantity": True}]}, "/lines/0/quantity"),
        ({"lines": [{**LINE, "quantity": 10_001}]}, "/lines/0/quantity"),
        ({"lines": [{**LINE, "sku": "a b"}]}, "/lines/0/sku"),
        ({"lines": [{**LINE, "sku": "a\n"}]}, "/lines/0/sku"),
        ({"lines": [{**LINE, "unit_price": "1.234"}]}, "/lines"),
        ({"lines": [{**LINE, "unit_price": "90071992547409.91"}]}, "/lines"),
        ({"total": "0.01"}, "/total"),
    ],
)
def test_an_order_that_does_not_fit_is_told_where(somebody: Caller, change: dict[str, Any], pointer: str) -> None:
    assert pointers(somebody.post("/v1/orders", {**ORDER, **change})) == [pointer]
