"""Payments under way while workers, relays and brokers are killed, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from resource_server.api.money import Money
from resource_server.payments import book, ledger
from resource_server.payments.book import Book
from resource_server.payments.desk import Desk, Wanted
from resource_server.payments.ledger import Account
from resource_server.payments.machine import PAID, UNSETTLED, Status
from resource_server.payments.models import (
    EndpointRow,
    EventRow,
    InboxRow,
    JobRow,
    OperationRow,
    Payment,
)
from resource_server.payments.settling import EXPIRE
from resource_server.payments.webhooks.events import Announcer
from resource_server.payments.webhooks.keys import Keys
from resource_server.platform.secret import Secret
from resource_server.platform.store import Store
from resource_server.simulator.magic import Magic
from resource_server.work import operations
from resource_server.work.jobs import OPEN, Jobs
from resource_server.work.operations import Operations
from tests.payments import killed
from tests.payments.killed import Death
from tests.payments.paying import eventually
from tests.resource_server.apis import PROVIDER_SECRET
from tests.support.running import clean_environment

SHARED = "a secret that all nodes of these tests share"
SUMS = (1234, 500, Magic.TIME_OUT_BUT_CHARGED, Magic.FAILING_BURST, Magic.AUTHENTICATION, Magic.DECLINE)
DIES_WITHIN = 60.0
SETTLES_WITHIN = 120.0
MOST_OPEN = 20


class Receiver:
    """Takes webhooks, and remembers which."""

    def __init__(self) -> None:
        taken = self.taken = set[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                taken.add(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()


class Chaos:
    """One store, one transport, one provider; workers that come and go."""

    def __init__(self, store: Store, url: str, queue_url: str, provider: str, folder: Path) -> None:
        self.store = store
        self.provider = provider
        self.receiver = Receiver()
        self.jobs = Jobs(store, JobRow, InboxRow)
        self._desk = Desk(
            Book(Announcer(self.jobs).payment_changed),
            self.jobs,
            Operations(store, OperationRow, prefix="op"),
        )
        self._log = folder / "workers.log"
        self._made = 0
        self.deaths = 0
        self._environ = {
            **clean_environment(),
            "RS_SERVICE": "payments",
            "RS_DATA_DIR": str(folder),
            "RS_PAYMENTS_DATABASE_URL": url,
            "RS_QUEUE_URL": queue_url,
            "RS_SECRET": SHARED,
            "RS_PROVIDER_URL": provider,
            "RS_PROVIDER_SECRET": PROVIDER_SECRET,
            "RS_PROVIDER_TIMEOUT": "0.4",
            "RS_PROVIDER_FOLLOW": "0.1",
            "RS_JOB_LEASE": "1",
            "RS_JOB_RETRY_FIRST": "0.05",
            "RS_WEBHOOK_RETRIES": ",".join(["0.1"] * 20),
            "RS_OUTBOUND_ALLOW": "127.0.0.0/8",
            "RS_LOG_LEVEL": "warning",
        }
        with store.change() as tx:
            values = {"id": "whe_chaos", "client_id": "app", "everything": True, "url": self.receiver.url}
            tx.execute(
                sa.insert(EndpointRow).values(**values, events=["*"], state="enabled", created_at=0.0, version=1)
            )
            Keys(Secret(SHARED)).make(tx, "whe_chaos", "v1")

    # -- processes ----------------------------------------------------------------------------------------------------

    def start(self, part: str = "all", death: Death | None = None) -> BaseProcess:
        """A worker, or its relay or jobs alone, which dies at a step."""
        return killed.start(self._environ, self._log, part, death)

    def until_dead(self, step: str, part: str = "all") -> None:
        """Keep paying until a process reached the step for the second time."""
        process, deadline = self.start(part, Death(step, 2)), time.monotonic() + DIES_WITHIN
        while process.exitcode is None:
            if time.monotonic() > deadline:
                killed.kill(process)
                raise AssertionError(f"{step} was never reached: {self._log.read_text()[-2000:]}")
            self.keep_paying()
            time.sleep(0.02)
        assert process.exitcode == -signal.SIGKILL, self._log.read_text()[-4000:]
        self.deaths += 1

    @contextlib.contextmanager
    def running(self, *parts: str) -> Iterator[None]:
        """Workers that live."""
        processes = [self.start(part) for part in parts or ("all",)]
        try:
            yield
        finally:
            for process in processes:
                killed.end(process)

    # -- payments -----------------------------------------------------------------------------------------------------

    def pay(self, count: int) -> None:
        """New payments, in turn of every kind."""
        for _ in range(count):
            value = int(SUMS[self._made % len(SUMS)])
            wanted = Wanted(
                Money(value, "EUR"),
                owner="somebody",
                client_id="app",
                capture="manual" if value == 500 else "automatic",
            )
            with self.store.change() as tx:
                self._desk.create(tx, wanted)
            self._made += 1

    def keep_paying(self) -> None:
        """One more payment, unless many are under way: what the dead left behind has to be done in the end."""
        if self.left() < MOST_OPEN:
            self.pay(1)
        self.go_on()

    def go_on(self) -> None:
        """Capture a part of what was authorized, give a part of some back, authenticate those who must."""
        for charge in self.charges():
            if charge["state"] == "requires_action":
                path = f"{self.provider}/charges/{charge['key']}/authentications"
                requests.post(path, json={"passed": True}, headers=_PROVIDER, timeout=10)
        idle = sa.select(Payment.id, Payment.status).where(Payment.busy.is_(None), Payment.refunded_value == 0)
        with self.store.read() as tx:
            found = tx.execute(idle.where(Payment.status.in_(("authorized", "succeeded"))).limit(20)).all()
        for payment_id, status in found:
            with self.store.change() as tx:
                payment = book.find(tx, payment_id)
                assert payment is not None
                if payment.busy is None and payment.status == status == Status.AUTHORIZED:
                    self._desk.capture(tx, payment, 300, "finance", "app")
                elif payment.busy is None and payment.status == status and payment.value != 1234:
                    self._desk.refund(tx, payment, 100, "finance", "app", approved=True)

    def charges(self) -> list[dict[str, Any]]:
        """Everything the provider has in its books, of these payments."""
        response = requests.get(f"{self.provider}/charges", headers=_PROVIDER, timeout=30)
        with self.store.read() as tx:
            ours = set(tx.execute(sa.select(Payment.id)).scalars())
        return [charge for charge in json.loads(response.content)["charges"] if charge["reference"] in ours]

    # -- what must be true --------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Until nothing waits any more; nobody but the workers that live does anything."""

        def left() -> int:
            self.go_on()
            return self.left()

        try:
            eventually(left, lambda count: count == 0, within=SETTLES_WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._waiting()}") from error

    def _waiting(self) -> dict[str, Any]:
        """What is left, and when it is due from now."""
        jobs = sa.select(JobRow.__table__).where(JobRow.state.in_(OPEN), JobRow.kind != EXPIRE)
        busy = sa.select(Payment.id, Payment.status, Payment.busy).where(Payment.busy.is_not(None))
        with self.store.read() as tx:
            waiting = [dict(row._mapping) for row in tx.execute(jobs)]
            payments = [dict(row._mapping) for row in tx.execute(busy)]
        return {"now": time.time(), "jobs": waiting, "busy": payments, "log": self._log.read_text()[-2000:]}

    def left(self) -> int:
        """How many payments are being changed, and jobs wait or run."""
        open_ = sa.select(sa.func.count()).select_from(Payment).where(Payment.busy.is_not(None))
        due = JobRow.state.in_(OPEN), JobRow.kind != EXPIRE
        with self.store.read() as tx:
            waiting = tx.execute(sa.select(sa.func.count()).select_from(JobRow).where(*due)).scalar_one()
            return int(waiting + tx.execute(open_).scalar_one())

    def check(self) -> int:
        """The books agree; returns how many payments there were."""
        with self.store.read() as tx:
            payments = tx.execute(sa.select(Payment.__table__)).all()
            stuck = tx.execute(sa.select(OperationRow.id).where(OperationRow.state.not_in(operations.OVER))).all()
            events = set(tx.execute(sa.select(EventRow.id)).scalars())
        assert self.jobs.listed("dead") == []
        assert stuck == []
        assert len(payments) == self._made
        assert [one.id for one in payments if Status(one.status) in UNSETTLED] == []
        charges = {charge["key"]: charge for charge in self.charges()}
        assert len(charges) == len(payments)
        for payment in payments:
            charge = charges[payment.attempt]
            assert (charge["captured"], charge["refunded"]) == (payment.captured_value, payment.refunded_value)
            assert (charge["state"] == "succeeded") == (Status(payment.status) in PAID)
        held = ledger.held(self.store)
        assert ledger.imbalance(held) == {}
        assert held == ledger.recounted(self.store)
        kept = sum(charge["captured"] - charge["refunded"] for charge in charges.values())
        assert held.get((Account.CASH, "EUR"), 0) == kept
        assert events <= self.receiver.taken
        succeeded = sum(charge["state"] == "succeeded" for charge in charges.values())
        print(
            f"{self.deaths} killed, {len(payments)} payments: {succeeded} succeeded here and at the provider, "
            f"{kept} of cash here and there, the ledger sums to zero, {len(events)} events told"
        )
        return len(payments)


def killed_at_random(chaos: Chaos, parts: tuple[str, ...], seconds: float, seed: int) -> None:
    """Workers that are killed at moments nobody chose, for so long."""
    chance = random.Random(seed)
    processes = {part: chaos.start(part) for part in parts}
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            pause = time.monotonic() + chance.uniform(0.2, 2.5)
            while time.monotonic() < pause:
                chaos.keep_paying()
                time.sleep(0.02)
            part = chance.choice(parts)
            killed.kill(processes[part])
            chaos.deaths += 1
            processes[part] = chaos.start(part)
    finally:
        for process in processes.values():
            killed.kill(process)


_PROVIDER = {"Authorization": f"Bearer {PROVIDER_SECRET}"}
