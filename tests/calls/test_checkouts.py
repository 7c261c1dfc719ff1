"""A checkout whose question goes over gRPC and whose result comes back through a queue: paid once, called off, given back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orders.apart import open_apart
from tests.orders.ordering import TOTAL, now, ordered
from tests.payments.paying import Till, accepted, eventually, over
from tests.support.servers import another_redis


@pytest.fixture(scope="module")
def till(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    over_both = {"payments": "grpc", "orders": "queue"}
    broker = {"RS_MESSAGES_URL": another_redis(redis_url, 1)}
    with open_apart(tmp_path_factory.mktemp("mixed"), None, None, broker, over=over_both) as apart:
        yield Till(apart)


def test_an_order_is_paid_and_given_back_over_grpc_and_a_queue(till: Till) -> None:
    caller = till.customer()
    order = ordered(caller)
    checkouts = f"/v2/orders/{order['id']}/checkouts"
    assert over(caller, accepted(caller, checkouts, {}))["status"] == "succeeded"
    assert now(caller, order)["status"] == "paid"
    (payment,) = caller.get(f"/v2/payments?order={order['id']}").json()["items"]
    assert (payment["amount"]["value"], payment["status"]) == (TOTAL, "succeeded")

    assert over(caller, accepted(caller, f"/v2/orders/{order['id']}/cancellations", {}))["status"] == "succeeded"
    eventually(lambda: caller.get(f"/v2/payments/{payment['id']}").json(), lambda seen: seen["status"] == "refunded")
    assert now(caller, order)["status"] == "canceled"
