"""kill -9 of the orders' worker at every step that is named: each order is paid once or costs nothing, and no operation stays open."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from resource_server.simulator.magic import Magic
from tests.orders.apart import Apart
from tests.orders.ordering import ask, now, ordered
from tests.payments import killed
from tests.payments.killed import Death
from tests.payments.paying import accepted, over
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
PLACES = ["apart-postgresql", pytest.param("apart-sqlite", marks=pytest.mark.full)]


class Shop:
    """Somebody who orders, checks out and calls some orders off, while workers die."""

    def __init__(self, apart: Apart) -> None:
        self.apart = apart
        self.caller: Caller = apart.person()
        self.orders: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
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

    def start(self, death: Death | None = None) -> BaseProcess:
        """A worker of the orders."""
        environ = {**clean_environment(), **self.apart.worker_settings("orders")}
        return killed.start(environ, self._log, death=death)

    def until_dead(self, step: str) -> None:
        """Keep ordering until a worker reached its step."""
        process, deadline = self.start(Death(step)), time.monotonic() + DIES_WITHIN
        while process.exitcode is None:
            if time.monotonic() > deadline:
                killed.kill(process)
                raise AssertionError(f"{step} was never reached: {self._log.read_text()[-2000:]}")
            self.go_on()
            time.sleep(0.05)
        assert process.exitcode == -signal.SIGKILL, self._log.read_text()[-4000:]

    def settle(self) -> None:
        """With a worker that lives, every operation ends."""
        process = self.start()
        try:
            for operation in self.operations:
                over(self.caller, operation)
        finally:
            killed.end(process)

    def check(self) -> None:
        """Each order has what its status says, and the provider's books agree."""
        for order in self.orders:
            status = now(self.caller, order)["status"]
            payments = self.caller.get(f"/v2/payments?order={order['id']}").json()["items"]
            assert len(payments) <= 1, payments
            kept = sum(one["captured"]["value"] - one["refunded"]["value"] for one in payments)
            assert kept == (order["total"]["value"] if status == "paid" else 0), (status, payments)
            assert status in {"paid", "payment_failed", "canceled"}


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
            shop.until_dead(step)
        shop.settle()
        shop.check()
