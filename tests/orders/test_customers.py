"""Orders with whose they are: alike together and apart, over REST and gRPC, and only for who may read people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delegation.support import audited
from tests.orders.apart import Apart
from tests.orders.ordering import ordered
from tests.payments.paying import Till, eventually
from tests.resource_server.apis import Apis, Caller, problem


def known(apis: Apis, name: str) -> Caller:
    """A caller of whom word has come to the users service."""
    caller = apis.caller(name)
    eventually(lambda: caller.get("/v2/users/me").status_code, lambda status: status == 200)
    return caller


@pytest.fixture(scope="module")
def ada(apis: Apis) -> Caller:
    caller = known(apis, apis.new_person("--claim", "given_name=Ada", "--claim", "family_name=Byron"))
    note = {"delivery_note": "Ring twice"}
    headers = {"If-Match": "*", "Content-Type": "application/merge-patch+json"}
    me = caller.get("/v2/users/me").json()["id"]
    assert caller.request("PATCH", f"/v2/users/{me}", json=note, headers=headers).status_code == 200
    return caller


@pytest.fixture(scope="module")
def order(ada: Caller) -> dict[str, Any]:
    return ordered(ada)


def customer(caller: Caller, order: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str] | None]:
    response = caller.get(f"/v2/orders/{order['id']}?expand=customer")
    assert response.status_code == 200, response.text
    return response.json()["customer"], response.json().get("not_expanded")


def test_an_order_is_shown_with_its_customer(ada: Caller, order: dict[str, Any]) -> None:
    shown, missing = customer(ada, order)
    assert shown is not None
    assert (shown["id"], shown["given_name"], shown["family_name"]) == (order["owner"], "Ada", "Byron")
    assert (shown["delivery_note"], missing) == ("Ring twice", None)
    assert "roles" not in shown
    both = ada.get(f"/v2/orders/{order['id']}?expand=payments,customer")
    assert (both.json()["payments"], both.json()["customer"]) == ([], shown)
    tag = both.headers["ETag"]
    assert ada.get(both.request.path_url, headers={"If-None-Match": tag}).status_code == 304
    assert "customer" not in ada.get(f"/v2/orders/{order['id']}").json()


@pytest.mark.parametrize(("role", "may"), [("support", True), ("admin", True), ("finance", False)])
def test_staff_see_the_customer_where_their_role_lets_them_read_people(
    till: Till, ada: Caller, order: dict[str, Any], role: str, may: bool
) -> None:
    shown, missing = customer(getattr(till, role)(), order)
    if may:
        assert shown == customer(ada, order)[0]
    else:
        assert (shown, missing) == (None, {"customer": "access_denied"})


def test_a_list_says_whose_each_order_is(apis: Apis, till: Till, ada: Caller, order: dict[str, Any]) -> None:
    other = known(apis, apis.new_person("--claim", "given_name=Bob"))
    orders = [order, ordered(other), ordered(ada)]
    items = {one["id"]: one for one in till.support().get("/v2/orders?limit=100&expand=customer").json()["items"]}
    assert [items[one["id"]]["customer"]["given_name"] for one in orders] == ["Ada", "Bob", "Ada"]
    denied = till.finance().get("/v2/orders?limit=5&expand=customer").json()["items"]
    assert [one["not_expanded"] for one in denied] == [{"customer": "access_denied"}] * len(denied)
    own = ada.get("/v2/orders?expand=customer").json()["items"]
    assert {one["customer"]["given_name"] for one in own} == {"Ada"}
    assert all("customer" not in one for one in ada.get("/v2/orders").json()["items"])


def test_what_is_expanded_needs_its_scope(apis: Apis) -> None:
    caller = apis.person("orders:read orders:write")
    for path in (f"/v2/orders/{ordered(caller)['id']}", "/v2/orders"):
        for name, scope in (("customer", "users:read"), ("payments", "payments:read")):
            refused = caller.get(f"{path}?expand={name}")
            problem(refused, 403, "insufficient_scope")
            assert f'scope="{scope}"' in refused.headers["WWW-Authenticate"]


def test_a_service_has_no_customer(apis: Apis) -> None:
    machine = apis.machine()
    shown, missing = customer(machine, ordered(machine))
    assert shown is None
    assert missing is not None
    assert missing["customer"] in {"access_denied", "not_found"}


apart_only = pytest.mark.parametrize("apis", ["apart-sqlite"], indirect=True)


@apart_only
def test_orders_ask_with_the_persons_token_narrowed(apis: Apart) -> None:
    caller = known(apis, apis.new_person())
    order = ordered(caller)
    assert customer(caller, order)[0] is not None
    entry = audited(apis.idp, "token.exchanged")
    assert (entry["client_id"], entry["actor"], entry["sub"]) == ("svc-orders", "svc-orders", order["owner"])
    assert (entry["audience"], entry["scope"]) == (f"{apis.url}/users", "users:read")


@apart_only
def test_while_users_are_away_the_order_is_shown_and_says_so(apis: Apart) -> None:
    caller = known(apis, apis.new_person())
    order = ordered(caller)
    apis.stop("users")
    try:
        assert customer(caller, order) == (None, {"customer": "unavailable"})
        (item,) = caller.get("/v2/orders?expand=customer").json()["items"]
        assert item["not_expanded"] == {"customer": "unavailable"}
    finally:
        apis.start("users")
    eventually(lambda: customer(caller, order)[1], lambda missing: missing is None)


@apart_only
def test_without_the_issuers_rule_orders_show_no_customer(apis: Apart) -> None:
    caller = known(apis, apis.new_person())
    order = ordered(caller)
    audience = ("--audience", f"{apis.url}/users")
    apis.idp.cli("exchange", "delete", "svc-orders", *audience)
    try:
        assert customer(caller, order) == (None, {"customer": "access_denied"})
    finally:
        apis.idp.cli("exchange", "allow", "svc-orders", *audience, "--scope", "users:read", "--from-audience", apis.url)
    assert customer(caller, order)[1] is None
