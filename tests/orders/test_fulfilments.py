"""Paid orders that are sent out: by staff, once, to whom the users service names, and not called off any more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.orders.apart import Apart
from tests.orders.ordering import now, ordered, steps
from tests.orders.test_checkouts import paid_for
from tests.orders.test_customers import known
from tests.payments.paying import Till, accepted, ask, eventually, key, over
from tests.resource_server.apis import Apis, Caller, problem


def paid(caller: Caller) -> dict[str, Any]:
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    return order


def path(order: dict[str, Any]) -> str:
    return f"/v2/orders/{order['id']}/fulfilments"


def test_a_paid_order_is_fulfilled_and_tells_to_whom_it_went(apis: Apis, till: Till) -> None:
    caller = known(apis, apis.new_person("--claim", "given_name=Ada", "--claim", "family_name=Byron"))
    order = paid(caller)
    operation = accepted(till.support(), path(order), {"tracking": "TR-1"})
    assert (operation["kind"], operation["resource"]) == ("order.fulfil", f"/v2/orders/{order['id']}")
    done = over(till.support(), operation)
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert steps(caller, order) == ["draft", "awaiting_payment", "paid", "fulfilled"]
    (one,) = caller.get(path(order)).json()["items"]
    assert (one["status"], one["tracking"]) == ("done", "TR-1")
    assert one["recipient"] == {"name": "Ada Byron", "delivery_note": None}
    assert caller.get(f"/v1/orders/{order['id']}").json()["status"] == "paid"
    problem(till.finance().get(path(order)), 403, "access_denied")
    problem(till.other().get(path(order)), 404, "not_found")


def test_a_webhook_tells_of_it_once(till: Till) -> None:
    order = paid(till.customer())
    assert over(till.support(), accepted(till.support(), path(order)))["status"] == "succeeded"

    def told() -> list[dict[str, Any]]:
        events = till.admin().get("/v2/events?limit=100").json()["items"]
        return [one["data"] for one in events if one["type"] == "order.fulfilled" and one["data"]["id"] == order["id"]]

    (data,) = eventually(told, bool)
    assert (data["status"], data["version"]) == ("fulfilled", 4)


def test_who_would_rather_wait_gets_the_fulfilled_order(till: Till) -> None:
    order = paid(till.customer())
    response = ask(till.admin(), path(order), Prefer="wait=10")
    assert (response.status_code, response.json()["status"]) == (201, "fulfilled")


def test_what_was_sent_out_is_not_called_off(till: Till) -> None:
    caller = till.customer()
    order = paid(caller)
    assert over(till.support(), accepted(till.support(), path(order)))["status"] == "succeeded"
    for someone in (caller, till.support(), till.admin()):
        problem(ask(someone, f"/v2/orders/{order['id']}/cancellations"), 409, "illegal_step")
    assert now(caller, order)["status"] == "fulfilled"


def test_what_is_not_paid_is_not_sent_out(till: Till) -> None:
    caller = till.customer()
    draft, canceled = ordered(caller), paid(caller)
    over(caller, accepted(caller, f"/v2/orders/{canceled['id']}/cancellations"))
    for order in (draft, canceled):
        problem(ask(till.support(), path(order)), 409, "illegal_step")
        assert till.support().get(path(order)).json() == {"items": []}


def test_only_staff_sends_out(apis: Apis, till: Till) -> None:
    order = paid(till.customer())
    for someone in (till.customer(), till.finance(), apis.machine()):
        problem(ask(someone, path(order)), 403, "access_denied")
    problem(ask(till.support(), path({"id": "ord_none"})), 404, "not_found")
    problem(till.support().post(path(order), {}), 400, "idempotency_key_missing")
    problem(ask(till.support(), path(order), {"tracking": "a b"}), 422, "invalid")
    assert now(till.customer(), order)["status"] == "paid"


def test_of_many_at_once_one_is_sent_out(till: Till) -> None:
    order, support = paid(till.customer()), till.support()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(support, path(order)), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    (first,) = [answer.json() for answer in answers if answer.status_code == 202]
    assert over(support, first)["status"] == "succeeded"
    assert steps(till.customer(), order).count("fulfilled") == 1


def test_a_repeat_is_the_first_answer(till: Till) -> None:
    order, support, header = paid(till.customer()), till.support(), key()
    first, again = (support.post(path(order), {}, **header) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("apis", ["apart-sqlite"], indirect=True)
def test_while_users_are_away_it_waits_and_may_be_called_off(apis: Apart, till: Till) -> None:
    caller, support = till.customer(), till.support()
    waits, off = paid(caller), paid(caller)
    apis.stop("users")
    try:
        waiting, lost = accepted(support, path(waits)), accepted(support, path(off))
        accepted(caller, f"/v2/orders/{off['id']}/cancellations")
        assert now(caller, waits)["status"] == "paid"
    finally:
        apis.start("users")
    assert over(support, waiting)["status"] == "succeeded"
    assert over(support, lost)["error"]["code"] == "order_canceled"
    assert [now(caller, one)["status"] for one in (waits, off)] == ["fulfilled", "canceled"]
