"""An order with its payments, alike together and apart, for who may read both."""

from __future__ import annotations

from tests.orders.ordering import ordered
from tests.orders.test_checkouts import paid_for, payments
from tests.orders.test_customers import known
from tests.payments.paying import Till
from tests.resource_server.apis import problem


def test_an_order_is_shown_with_its_payments(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    path = f"/v2/orders/{order['id']}?expand=payments"
    empty = caller.get(path)
    assert (empty.status_code, empty.json()["payments"]) == (200, [])
    assert paid_for(caller, order)["status"] == "paid"
    full = caller.get(path)
    assert full.json()["payments"] == payments(caller, order)
    assert full.headers["ETag"] != empty.headers["ETag"]
    assert caller.get(path, headers={"If-None-Match": full.headers["ETag"]}).status_code == 304
    assert "payments" not in caller.get(path.partition("?")[0]).json()


def test_support_does_not_see_who_pays_with_what_and_finance_does(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    path = f"/v2/orders/{order['id']}?expand=payments"
    (masked,) = till.support().get(path).json()["payments"]
    assert (masked["method"], masked["owner"], masked["status"]) == (None, None, "succeeded")
    assert till.finance().get(path).json()["payments"][0]["owner"] == order["owner"]


def test_payments_need_their_scope_and_nothing_else_is_expanded(till: Till) -> None:
    caller = till.apis.person("orders:read orders:write")
    order = ordered(caller)
    refused = caller.get(f"/v2/orders/{order['id']}?expand=payments")
    problem(refused, 403, "insufficient_scope")
    assert 'scope="payments:read"' in refused.headers["WWW-Authenticate"]
    problem(caller.get(f"/v2/orders/{order['id']}?expand=secrets"), 400, "invalid_parameter")
    problem(till.other().get(f"/v2/orders/{order['id']}?expand=payments"), 404, "not_found")


def test_in_v1_an_order_has_its_newest_payment_in_it(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    path = f"/v1/orders/{order['id']}"
    before = caller.get(path)
    assert (before.status_code, before.json()["payment"]) == (200, None)
    assert paid_for(caller, order)["status"] == "paid"
    after = caller.get(path)
    (payment,) = payments(caller, order)
    assert after.json()["payment"] == caller.get(f"/v1/payments/{payment['id']}").json()
    assert after.json()["payment"]["status"] == "paid"
    assert caller.get(path, headers={"If-None-Match": after.headers["ETag"]}).status_code == 304
    assert caller.get(path, headers={"If-None-Match": before.headers["ETag"]}).status_code == 200


def test_in_v1_an_order_comes_without_its_payment_for_who_may_not_read_those(till: Till) -> None:
    name = till.apis.new_person()
    caller, clerk = till.apis.caller(name), till.apis.caller(name, "orders:read")
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    shown = clerk.get(f"/v1/orders/{order['id']}").json()
    assert (shown["status"], shown["payment"]) == ("paid", None)


def test_a_payment_is_shown_with_whose_it_is_a_level_below(till: Till) -> None:
    name = till.apis.new_person("--claim", "given_name=Ada")
    caller = known(till.apis, name)
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    path = f"/v2/orders/{order['id']}?expand="
    plain = caller.get(f"{path}payments").json()["payments"]
    shown = caller.get(f"{path}payments.customer")
    (payment,) = shown.json()["payments"]
    assert (payment["customer"]["id"], payment["customer"]["given_name"]) == (till.apis.subjects[name], "Ada")
    assert {one: payment[one] for one in payment if one != "customer"} == plain[0]
    assert "customer" not in shown.json()
    both = caller.get(f"{path}customer,payments.customer").json()
    assert both["customer"] == both["payments"][0]["customer"] == payment["customer"]


def test_each_level_is_shown_to_who_may_read_it(till: Till) -> None:
    name = till.apis.new_person()
    caller = known(till.apis, name)
    order = ordered(caller)
    assert paid_for(caller, order)["status"] == "paid"
    path = f"/v2/orders/{order['id']}?expand=payments.customer"
    for scope, missing in (("orders:read payments:read", "users:read"), ("orders:read users:read", "payments:read")):
        refused = till.apis.caller(name, scope).get(path)
        problem(refused, 403, "insufficient_scope")
        assert f'scope="{missing}"' in refused.headers["WWW-Authenticate"]
    (masked,) = till.support().get(path).json()["payments"]
    assert (masked["owner"], masked["customer"], masked["not_expanded"]) == (None, None, {"customer": "access_denied"})
    (unread,) = till.finance().get(path).json()["payments"]
    assert (unread["owner"], unread["customer"]) == (order["owner"], None)
    assert unread["not_expanded"] == {"customer": "access_denied"}


def test_there_is_no_third_level_and_no_other_second_one(till: Till) -> None:
    caller = till.customer()
    path = f"/v2/orders/{ordered(caller)['id']}?expand="
    deep = problem(caller.get(f"{path}payments.customer.orders"), 400, "invalid_parameter")
    assert deep["detail"] == "expand goes 2 levels deep."
    for name in ("payments.order", "customer.payments", "payments.", ".customer", ".", "payments,customer.customer"):
        problem(caller.get(f"{path}{name}"), 400, "invalid_parameter")
        problem(caller.get(f"/v2/orders?expand={name}"), 400, "invalid_parameter")


def test_a_list_shows_each_order_with_its_payments(till: Till) -> None:
    caller = known(till.apis, till.apis.new_person("--claim", "given_name=Ada"))
    orders = [ordered(caller) for _ in range(3)]
    for order in orders[:2]:
        assert paid_for(caller, order)["status"] == "paid"
    shown = {one["id"]: one for one in caller.get("/v2/orders?expand=payments").json()["items"]}
    assert [shown[order["id"]]["payments"] for order in orders] == [payments(caller, order) for order in orders]
    assert [len(shown[order["id"]]["payments"]) for order in orders] == [1, 1, 0]
    first = caller.get("/v2/orders?expand=customer,payments.customer&limit=2").json()
    assert [one["id"] for one in first["items"]] == [orders[2]["id"], orders[1]["id"]]
    (payment,) = first["items"][1]["payments"]
    assert payment["customer"]["given_name"] == first["items"][1]["customer"]["given_name"] == "Ada"
    assert all("payments" not in one for one in caller.get("/v2/orders").json()["items"])


def test_a_list_shows_staff_what_each_may_see_of_everybodys_payments(till: Till) -> None:
    people = [till.apis.caller(till.apis.new_person()) for _ in range(2)]
    orders = [ordered(person) for person in people]
    for person, order in zip(people, orders, strict=True):
        assert paid_for(person, order)["status"] == "paid"

    def seen(role: str) -> list[tuple[object, object]]:
        items = getattr(till, role)().get("/v2/orders?expand=payments&limit=100").json()["items"]
        shown = {one["id"]: one["payments"][0] for one in items if one["payments"]}
        return [(shown[order["id"]]["owner"], shown[order["id"]]["status"]) for order in orders]

    assert seen("finance") == [(order["owner"], "succeeded") for order in orders]
    assert seen("support") == [(None, "succeeded")] * 2


def test_payments_are_listed_by_their_orders(till: Till) -> None:
    caller = till.customer()
    orders = [ordered(caller) for _ in range(3)]
    for order in orders:
        assert paid_for(caller, order)["status"] == "paid"
    asked = ",".join(order["id"] for order in orders[:2])
    found = caller.get(f"/v2/payments?orders={asked}").json()["items"]
    assert {one["order"] for one in found} == {order["id"] for order in orders[:2]}
    page = caller.get(f"/v2/payments?orders={asked}&limit=1").json()
    (last,) = caller.get(f"/v2/payments?orders={asked}&limit=1&page_token={page['next_page_token']}").json()["items"]
    assert [page["items"][0], last] == found
    other = caller.get(f"/v2/payments?orders={orders[2]['id']}&page_token={page['next_page_token']}")
    problem(other, 400, "invalid_page_token")
    problem(caller.get("/v2/payments?orders=" + ",".join(["x"] * 101)), 400, "invalid_parameter")
    assert till.other().get(f"/v2/payments?orders={asked}").json()["items"] == []
