"""Who may do what with orders: every cell of the matrix, by scope, role and owner, with another's order and an own one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from resource_server.api.permissions import Cells, Reach
from resource_server.orders import matrix
from tests.orders.ordering import ORDER, amended, ask, ordered
from tests.payments.paying import Till
from tests.resource_server.apis import Apis, Caller, problem

KINDS = ("customer", "support", "finance", "admin", "service")
Try = Callable[[Caller, str], requests.Response]


def show(caller: Caller, order: str) -> requests.Response:
    return caller.get(f"/v2/orders/{order}")


def amend(caller: Caller, order: str) -> requests.Response:
    return amended(caller, {"id": order}, "*")


def check_out(caller: Caller, order: str) -> requests.Response:
    return ask(caller, f"/v2/orders/{order}/checkouts")


def call_off(caller: Caller, order: str) -> requests.Response:
    return ask(caller, f"/v2/orders/{order}/cancellations")


ACTIONS: dict[str, tuple[Cells, Try]] = {
    "show": (matrix.READ, show),
    "amend": (matrix.CHANGE, amend),
    "check out": (matrix.CHECKOUT, check_out),
    "call off": (matrix.CANCEL, call_off),
}


def caller_of(till: Till, kind: str) -> Caller:
    if kind == "service":
        return till.apis.machine()
    found: Caller = getattr(till, kind)()
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_anothers_order_is_reached_by_whom_the_matrix_says(till: Till, action: str, kind: str) -> None:
    cells, attempt = ACTIONS[action]
    order = ordered(till.other())
    response = attempt(caller_of(till, kind), order["id"])
    match getattr(cells, kind):
        case Reach.NONE:
            problem(response, 403, "access_denied")
        case Reach.OWN:
            problem(response, 404, "not_found")
        case _:
            assert response.status_code in {200, 202}, response.text


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_place_orders_has_them_to_themselves(till: Till, kind: str) -> None:
    caller = caller_of(till, kind)
    response = ask(caller, "/v2/orders", ORDER)
    if getattr(matrix.CREATE, kind) is Reach.NONE:
        problem(response, 403, "access_denied")
        return
    order = response.json()
    assert show(caller, order["id"]).json() == order
    assert amend(caller, order["id"]).status_code == 200
    if getattr(matrix.CHECKOUT, kind) is not Reach.NONE:
        assert check_out(caller, order["id"]).status_code == 202
    assert call_off(caller, order["id"]).status_code == 202
    assert show(till.other(), order["id"]).status_code == 404
    assert order["id"] not in till.other().get("/v2/orders?limit=100").text


def test_reading_and_writing_need_a_scope_each(apis: Apis) -> None:
    name = apis.new_person()
    reader, writer = apis.caller(name, "orders:read"), apis.caller(name, "orders:write")
    order = ordered(writer)
    refused = {
        "orders:write": [ask(reader, "/v2/orders", ORDER), amend(reader, order["id"])],
        "orders:read": [show(writer, order["id"]), writer.get("/v2/orders")],
    }
    for scope, responses in refused.items():
        for response in responses:
            problem(response, 403, "insufficient_scope")
            assert f'scope="{scope}"' in response.headers["WWW-Authenticate"]
    assert show(reader, order["id"]).json() == order


def test_without_a_token_there_is_nothing(apis: Apis) -> None:
    for response in (
        requests.get(f"{apis.url}/v2/orders", timeout=30),
        requests.post(f"{apis.url}/v2/orders", json=ORDER, timeout=30),
    ):
        problem(response, 401, "unauthorized")
        assert "resource_metadata=" in response.headers["WWW-Authenticate"]
