"""v2 of the orders API over HTTP: drafts, exact money, versions, pages, keys."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.orders.ordering import LINES, ORDER, TOTAL, amended, ask, key, now, ordered, steps
from tests.payments.paying import Till
from tests.resource_server.apis import Apis, problem
from tests.support.flows import claims


def test_a_draft_has_its_computed_total_in_minor_units(till: Till) -> None:
    caller = till.customer()
    response = ask(caller, "/v2/orders", ORDER)
    order = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v2/orders/{order['id']}"
    assert re.fullmatch(r"ord_[a-v0-9]{26}", order["id"])
    assert (order["total"], order["status"]) == ({"value": TOTAL, "currency": "EUR"}, "draft")
    assert (order["lines"], order["version"]) == (LINES, 1)
    assert order["owner"] == claims(caller.token)["sub"]
    assert now(caller, order) == order
    assert steps(caller, order) == ["draft"]


def test_both_versions_show_the_same_order(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    old = caller.get(f"/v1/orders/{order['id']}").json()
    assert (old["total"], old["status"], old["lines"][0]["unit_price"]) == ("8.49", "draft", "2.50")
    lines = [{"sku": "A", "quantity": 2, "unit_price": "1"}]
    made = caller.post("/v1/orders", {"lines": lines, "currency": "JPY"}).json()
    shown = now(caller, made)
    assert (shown["total"], shown["lines"][0]["unit_price"]) == ({"value": 2, "currency": "JPY"}, 1)
    assert made["id"] in caller.get("/v2/orders").text
    assert order["id"] in caller.get("/v1/orders?per_page=100").text


def test_a_key_of_v1_makes_one_order_however_often_it_comes(till: Till) -> None:
    caller, header = till.customer(), key()
    document = {"lines": [{"sku": "A", "quantity": 1, "unit_price": "1"}], "currency": "EUR"}
    first, second = (caller.post("/v1/orders", document, **header) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"lines": []}, "/lines"),
        ({"lines": LINES * 51}, "/lines"),
        ({"lines": [{**LINES[0], "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [{**LINES[0], "quantity": 1.0}]}, "/lines/0/quantity"),
        ({"lines": [{**LINES[0], "unit_price": "250"}]}, "/lines/0/unit_price"),
        ({"lines": [{**LINES[0], "unit_price": 2.5}]}, "/lines/0/unit_price"),
        ({"lines": [{**LINES[0], "unit_price": -1}]}, "/lines/0/unit_price"),
        ({"lines": [{**LINES[0], "unit_price": 2**53 - 1}]}, "/lines"),
        ({"lines": [{**LINES[0], "sku": "a b"}]}, "/lines/0/sku"),
        ({"lines": None}, "/lines"),
        ({"currency": "EURO"}, "/currency"),
        ({"currency": "XXX"}, "/currency"),
        ({"total": 1}, "/total"),
        ({"owner": "somebody"}, "/owner"),
        ({"status": "paid"}, "/status"),
    ],
)
def test_an_order_that_does_not_fit_is_told_where(till: Till, change: dict[str, Any], pointer: str) -> None:
    response = ask(till.customer(), "/v2/orders", {**ORDER, **change})
    assert [one["pointer"] for one in problem(response, 422, "invalid")["errors"]] == [pointer]


def test_a_draft_is_changed_by_who_saw_its_newest_version(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    tag = caller.get(f"/v2/orders/{order['id']}").headers["ETag"]
    response = amended(caller, order, tag)
    assert response.status_code == 200, response.text
    changed = response.json()
    assert (changed["total"]["value"], changed["version"]) == (200, 2)
    assert response.headers["ETag"] != tag
    problem(amended(caller, order, tag), 412, "precondition_failed")
    problem(amended(caller, order, None), 428, "precondition_required")
    assert now(caller, order) == changed
    assert steps(caller, order) == ["draft"]


def test_the_answer_to_a_new_order_says_under_which_tag_it_is_changed(till: Till) -> None:
    caller = till.customer()
    response = ask(caller, "/v2/orders", ORDER)
    assert amended(caller, response.json(), response.headers["ETag"]).status_code == 200


def test_of_many_who_change_a_draft_at_once_one_does(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    tag = f'"{order["id"]}.1"'
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.status_code for answer in pool.map(lambda _: amended(caller, order, tag), range(8))]
    assert sorted(answers) == [200, *[412] * 7]
    assert now(caller, order)["version"] == 2


@pytest.mark.parametrize("document", [{"lines": None}, {"lines": []}, {}, {"status": "paid"}, {"total": 1}])
def test_a_change_that_does_not_fit_changes_nothing(till: Till, document: dict[str, Any]) -> None:
    caller = till.customer()
    order = ordered(caller)
    problem(amended(caller, order, f'"{order["id"]}.1"', document), 422, "invalid")
    assert now(caller, order) == order


def test_an_unchanged_order_is_not_sent_again(till: Till) -> None:
    caller = till.customer()
    path = f"/v2/orders/{ordered(caller)['id']}"
    tag = caller.get(path).headers["ETag"]
    again = caller.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_list_is_read_in_slices_and_by_status(apis: Apis) -> None:
    caller = apis.person()
    ids = [ordered(caller)["id"] for _ in range(5)]
    found, token = list[str](), ""
    while token is not None:
        page = caller.get(f"/v2/orders?limit=2{token and f'&page_token={token}'}").json()
        found += [item["id"] for item in page["items"]]
        token = page["next_page_token"]
    assert found == sorted(ids, reverse=True)
    assert len(caller.get("/v2/orders?status=draft").json()["items"]) == 5
    assert caller.get("/v2/orders?status=paid").json()["items"] == []
    problem(caller.get("/v2/orders?status=none"), 400, "invalid_parameter")
    problem(caller.get("/v2/orders?page_token=made-up"), 400, "invalid_page_token")


def test_fifty_twins_make_one_order(apis: Apis) -> None:
    caller, header = apis.person(), key()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: caller.post("/v2/orders", ORDER, **header), range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(caller.get("/v2/orders").json()["items"]) == 1
    problem(caller.post("/v2/orders", {**ORDER, "currency": "USD"}, **header), 422, "idempotency_key_reused")
    problem(caller.post("/v2/orders", ORDER), 400, "idempotency_key_missing")
