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
    problem(caller.get("/v2/orders?expand=payments.customer"), 400, "invalid_parameter")
