"""kill -9 of the orders' worker at every step that is named: each order is paid once or costs nothing, is sent out once, and no operation
stays open."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from resource_server.simulator.magic import Magic
from tests.orders.apart import Apart
from tests.orders.ordering import ask, now, ordered, steps
from tests.payments import killed
from tests.payments.killed import Death
from tests.payments.paying import accepted, eventually, over
from tests.resource_server.apis import Caller
from tests.support.running import clean_environment

SUMS = (1234, int(Magic.TIME_OUT_BUT_CHARGED), int(Magic.DECLINE), int(Magic.LATE_CALLBACK))
DIES_WITHIN = 60.0
MOST = 60
STEPS = (
    *("job.claimed", "checkout.asked", "payments.calling", "payments.answered", "checkout.made"),
    *("effect.before", "effect.taken", "effect.before_commit", "effect.committed"),
    *("payments.giving_back", "payments.gave_back", "job.failed"),
)
SENDING_OUT = ("users.calling", "users.answered", "order.fulfilled", "fulfilled.telling")
"""Steps of what staff asks for once an order is paid."""
AT_ONCE = 3
PLACES = ["apart-postgresql", pytest.param("apart-sqlite", marks=pytest.mark.full)]


class Shop:
    """Somebody who orders, checks out and calls some orders off, while workers die."""

    def __init__(self, apart: Apart) -> None:
        self.apart = apart
        self.caller: Caller = apart.person()
        self.orders: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.staff = apart.caller(apart.new_person("--role", "support"))
        self.admin = apart.caller(apart.new_person("--role", "admin"))
        self.parcels: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self._chance = random.Random(20261125)
        self._log = apart.idp.folder / "killed-workers.log"

    def go_on(self) -> None:
        """One more order, unless there are many; and now and then one is called off, paid or not."""
        if len(self.orders) < MOST:
            order = ordered(self.caller, SUMS[len(self.orders) % len(SUMS)])
            self.orders.append(order)
            self.operations.append(accepted(self.caller, f"/v2/orders/{order['id']}/checkouts"))
        chosen = self._chance.choice(self.orders)
        if now(self.caller, chosen)["status"] in {"paid", "awaiting_payment"} and self._chance.random() < 0.5:
            response = ask(self.caller, f"/v2/orders/{chosen['id']}/cancellations")
            assert response.status_code in {202, 409, 412}, response.text
            if response.status_code == 202:
                self.operations.append(response.json())

    def send_out(self) -> None:
        """Orders that are paid are sent out, and others follow them."""
        if len(self.parcels) - len(self.sent) < AT_ONCE:
            order = ordered(self.caller, SUMS[0])
            self.parcels.append(order)
            self.operations.append(accepted(self.caller, f"/v2/orders/{order['id']}/checkouts"))
        for order in self.parcels:
            if order not in self.sent and now(self.caller, order)["status"] == "paid":
                self.operations.append(accepted(self.staff, f"/v2/orders/{order['id']}/fulfilments"))
                self.sent.append(order)

    def start(self, death: Death | None = None) -> BaseProcess:
        """A worker of the orders."""
        environ = {**clean_environment(), **self.apart.worker_settings("orders")}
        return killed.start(environ, self._log, death=death)

    def until_dead(self, step: str, go_on: Callable[[], None]) -> None:
        """Go on until a worker reached its step."""
        process, deadline = self.start(Death(step)), time.monotonic() + DIES_WITHIN
        while process.exitcode is None:
            if time.monotonic() > deadline:
                killed.kill(process)
                raise AssertionError(f"{step} was never reached: {self._log.read_text()[-2000:]}")
            go_on()
            time.sleep(0.05)
        assert process.exitcode == -signal.SIGKILL, self._log.read_text()[-4000:]

    def settle(self) -> None:
        """With a worker that lives, every operation ends, and what was sent out is told of."""
        process = self.start()
        try:
            for operation in self.operations:
                over(self.caller if operation["kind"] != "order.fulfil" else self.staff, operation)
            eventually(self.told, lambda told: len(told) >= len(self.sent))
        finally:
            killed.end(process)

    def told(self) -> list[str]:
        """The orders of ours of which a webhook would tell that they were sent out, as often as it would."""
        found, page, ours = list[str](), "", {order["id"] for order in self.sent}
        while True:
            shown = self.admin.get(f"/v2/events?limit=100{page}").json()
            found += [one["data"]["id"] for one in shown["items"] if one["type"] == "order.fulfilled"]
            if shown["next_page_token"] is None:
                return [order for order in found if order in ours]
            page = f"&page_token={shown['next_page_token']}"

    def check(self) -> None:
        """Each order has what its status says, and the provider's books agree."""
        for order in self.orders:
            status = now(self.caller, order)["status"]
            payments = self.caller.get(f"/v2/payments?order={order['id']}").json()["items"]
            assert len(payments) <= 1, payments
            kept = sum(one["captured"]["value"] - one["refunded"]["value"] for one in payments)
            assert kept == (order["total"]["value"] if status == "paid" else 0), (status, payments)
            assert status in {"paid", "payment_failed", "canceled"}
        for order in self.sent:
            assert steps(self.caller, order) == ["draft", "awaiting_payment", "paid", "fulfilled"]
            (fulfilment,) = self.caller.get(f"/v2/orders/{order['id']}/fulfilments").json()["items"]
            assert fulfilment["status"] == "done"
        assert sorted(self.told()) == sorted(order["id"] for order in self.sent), "each is told of once"


@contextmanager
def without_worker(apart: Apart) -> Iterator[None]:
    """Orders that leave their work to others, for a while."""
    apart.stop("orders")
    apart.start("orders", RS_WORKER="apart")
    try:
        yield
    finally:
        apart.stop("orders")
        apart.start("orders")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("apis", PLACES, indirect=True)
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(apis: Apart) -> None:
    with without_worker(apis):
        shop = Shop(apis)
        for _ in range(3):
            shop.go_on()
        for step in STEPS:
            shop.until_dead(step, shop.go_on)
        for step in SENDING_OUT:
            shop.until_dead(step, shop.send_out)
        shop.settle()
        shop.check()
