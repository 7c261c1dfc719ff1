"""The whole cluster under load: three identity providers and two of each service, while nodes die and while all are restarted."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.cluster.conftest import Site
from tests.cluster.load import Load
from tests.orders.ordering import now, ordered
from tests.payments.paying import accepted, eventually
from tests.resource_server.apis import Caller

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
FLOWS, AT_ONCE, TRIES = 1_000, 8, 3
SCOPE = "openid users:read orders:read orders:write payments:read payments:write"
CALLS = ("/v2/users/me", "/v2/orders", "/v2/payments")


def flow(site: Site) -> None:
    """A log-in from nothing to the last call; raises when anything is not as it should be."""
    caller = logged_in(site)
    for path in CALLS:
        answer = caller.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"


def logged_in(site: Site) -> Caller:
    return site.caller(site.app.tokens(site.browser(), "alice", scope=SCOPE)["access_token"])


def tries_of(site: Site) -> int:
    """How often a person had to begin until it went through."""
    for number in range(1, TRIES + 1):
        try:
            flow(site)
        except (AssertionError, requests.RequestException):
            if number == TRIES:
                raise
        else:
            return number
    raise AssertionError("unreachable")


def test_a_thousand_flows_go_through_while_a_node_of_every_kind_is_killed(whole: Site) -> None:
    """No stickiness: the steps of a flow fall on all nodes. Who was in the middle of a request begins again, and gets through."""
    done = threading.Semaphore(0)

    def one(_number: int) -> int:
        tries = tries_of(whole)
        done.release()
        return tries

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(one, number) for number in range(FLOWS)]
        for name in ("idp-1", "users-1", "orders-1", "payments-1"):
            for _ in range(FLOWS // 10):
                assert done.acquire(timeout=300)
            whole.cluster.nodes[name].kill()
        tries = [flow.result() for flow in running]
    assert len(tries) == FLOWS
    print(f"{FLOWS} flows, {sum(number > 1 for number in tries)} of them begun again, none failed")


def test_a_payment_goes_on_whichever_nodes_are_killed_under_way(whole: Site) -> None:
    """Orders ask payments, payments tell orders, each through nginx; what was acknowledged is done, once."""
    caller, orders = logged_in(whole), []
    for name in ("orders-1", "payments-2", "idp-2", "orders-2", "payments-1"):
        order = ordered(caller)
        accepted(caller, f"/v2/orders/{order['id']}/checkouts", {})
        whole.cluster.nodes[name].kill()
        eventually(whole.cluster.nodes[name].ready, bool)
        orders.append(order)
    for order in orders:
        eventually(lambda order=order: now(caller, order), lambda seen: seen["status"] == "paid")
        (payment,) = caller.get(f"/v2/payments?order={order['id']}").json()["items"]
        assert payment["status"] == "succeeded"


def test_everything_is_restarted_under_load_and_nobody_notices(whole: Site) -> None:
    def call() -> tuple[int, ...]:
        return tuple(requests.get(f"{whole.api}{path}", timeout=30).status_code for path in CALLS)

    def log_in() -> str:
        flow(whole)
        return "through"

    people, callers = Load(log_in, 2), Load(call, 2)
    with people.running(), callers.running():
        statuses = whole.cluster.roll()
    assert set(people.told) == {"through"}, people.told
    assert set(callers.told) == {(401, 401, 401)}, callers.told
    assert set(statuses.values()) == {0}
