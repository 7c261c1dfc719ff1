"""Our books beside the provider's: after kills and with magic sums, by the command and by the job; what is safe is put right by the machine."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from resource_server.app import build
from resource_server.payments import ledger
from resource_server.payments.models import JobRow, LedgerEntry, Payment
from resource_server.payments.provider import Provider
from resource_server.payments.reconciliations import RECONCILE
from resource_server.payments.reconciling import Reconciliation
from resource_server.payments.settling import CHARGE
from resource_server.platform.store import Row, Store
from resource_server.settings import load
from resource_server.simulator.magic import Magic
from tests.payments.chaos import Chaos
from tests.payments.killed import Death
from tests.payments.paying import eventually
from tests.resource_server.apis import PROVIDER_SECRET, simulator
from tests.support import nursery
from tests.support.running import BIN

PROVIDER = {"Authorization": f"Bearer {PROVIDER_SECRET}"}


class Books(Chaos):
    """Payments whose books are compared."""

    folder: Path

    def command(self, *options: str) -> tuple[int, list[dict[str, Any]]]:
        """The exit status of the command, and the differences it prints."""
        command = [str(BIN / "resource-server"), "reconcile", "--quiet", "0", *options]
        done = nursery.run(command, self._environ, self.folder)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["differences"]

    def reconciled(self, *, repair: bool = False) -> list[dict[str, Any]]:
        """The differences that are found, as they are printed."""
        provider = Provider(self.provider, PROVIDER_SECRET, timeout=10, connections=1)
        report = Reconciliation(self.store, self.jobs, provider).run(quiet=0, repair=repair)
        found: list[dict[str, Any]] = json.loads(json.dumps(report.document()))["differences"]
        return found

    def die_at(self, step: str) -> None:
        """A worker that works until it gets there."""
        process = self.start(death=Death(step))
        process.join(60)
        assert process.exitcode == -signal.SIGKILL, f"{step} was never reached"

    def made(self) -> Row:
        """The newest payment."""
        with self.store.read() as tx:
            return tx.execute(sa.select(Payment.__table__).order_by(Payment.id.desc()).limit(1)).one()

    def paid(self) -> Row:
        """One more payment that succeeded."""
        self.pay(1)
        with self.running():
            eventually(self.left, lambda count: count == 0)
        return self.made()

    def at_the_provider(self, statement: str, *values: object) -> None:
        """A change of the provider's books behind our back."""
        (file,) = self.folder.glob("provider-*/*.sqlite3")
        with closing(sqlite3.connect(file)) as books, books:
            books.execute(statement, values)


@pytest.fixture
def books(store: Store, store_url: str, tmp_path: Path) -> Iterator[Books]:
    with simulator(tmp_path, "http://127.0.0.1:9/none", hang="0.8", late="0.3") as provider:
        books = Books(store, store_url, "db://", provider, tmp_path)
        books.folder = tmp_path
        with books.receiver.open():
            yield books


def test_books_that_agree_differ_in_nothing(books: Books) -> None:
    assert books.reconciled() == []
    books.pay(6)
    with books.running():
        books.settle()
    assert books.command("--repair") == (0, [])


@pytest.mark.parametrize(("value", "step"), [(1234, "provider.answered"), (Magic.TIME_OUT_BUT_CHARGED, "job.failed")])
def test_what_was_charged_by_a_worker_that_died_is_found_and_settled(
    books: Books, monkeypatch: pytest.MonkeyPatch, value: int, step: str
) -> None:
    """Killed between the charge and its record; or charged though no answer came, and killed then."""
    monkeypatch.setattr("tests.payments.chaos.SUMS", (value,))
    books.pay(1)
    books.die_at(step)
    payment = books.made()
    assert payment.status == "processing"
    status, (difference,) = books.command()
    assert (status, difference["kind"], difference["repair"]) == (1, "charged_but_not_settled", None)
    assert (difference["payment"], difference["ours"], difference["theirs"]) == (payment.id, 0, value)
    assert books.made() == payment, "nothing is written by looking"
    (difference,) = books.reconciled(repair=True)
    assert difference["repair"] == "asked_again"
    with books.running():
        eventually(lambda: books.made().status, lambda now: now == "succeeded")
        eventually(books.left, lambda count: count == 0)
    assert books.check() == 1
    assert books.reconciled() == []


def test_however_many_nodes_ask_a_job_compares_once_a_period(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.payments.chaos.SUMS", (1234,))
    books.pay(1)
    books.die_at("provider.answered")
    with books.store.change() as tx:  # the job of the charge is lost for good
        tx.execute(sa.update(JobRow).where(JobRow.kind == CHARGE).values(state="done"))
    books._environ.update(RS_RECONCILE_QUIET="0", RS_RECONCILE_EVERY="1000000")
    process = build(load(books._environ))
    (asking,) = (work for service in process.services for work in service.work if work.name == "reconciliation")
    asking.run()
    asking.run()
    process.close()
    with books.store.read() as tx:
        waiting = tx.execute(sa.select(JobRow.state).where(JobRow.kind == RECONCILE)).scalars().all()
    assert waiting == ["waiting"]
    with books.running():
        eventually(lambda: books.made().status, lambda now: now == "succeeded")
        eventually(books.left, lambda count: count == 0)
    assert books.check() == 1


def test_a_refund_whose_job_was_given_up_is_done_by_that_job(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.payments.chaos.SUMS", (1234,))
    payment = books.paid()
    with books.store.change() as tx:
        books._desk.refund(tx, payment, 100, "finance", "app", approved=True)
    books.die_at("provider.answered")
    with books.store.change() as tx:
        tx.execute(sa.text("UPDATE jobs SET state = 'dead' WHERE kind = 'payment.refund'"))
    (difference,) = books.reconciled()
    assert (difference["kind"], difference["ours"], difference["theirs"]) == ("sums_differ", 1234, 1134)
    (difference,) = books.reconciled(repair=True)
    assert difference["repair"] == "replayed"
    with books.running():
        eventually(lambda: books.made().refunded_value, lambda value: value == 100)
        eventually(books.left, lambda count: count == 0)
    assert books.check() == 1
    assert books.reconciled() == []


def test_what_the_machine_has_no_step_for_is_said_and_left_alone(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.payments.chaos.SUMS", (1234,))
    gone, lessened, kept = (books.paid() for _ in range(3))
    books.at_the_provider("DELETE FROM charges WHERE key = ?", gone.attempt)
    books.at_the_provider("UPDATE charges SET refunded = 34 WHERE key = ?", lessened.attempt)
    body = {"amount": {"value": 77, "currency": "EUR"}, "capture": True, "method": "pm_card", "reference": "elsewhere"}
    requests.post(f"{books.provider}/charges", json=body, headers={**PROVIDER, "Idempotency-Key": "x"}, timeout=10)
    with books.store.change() as tx:
        cash = (LedgerEntry.payment_id == kept.id, LedgerEntry.account == ledger.Account.CASH)
        tx.execute(sa.update(LedgerEntry).where(*cash).values(value=1))
    differences = books.reconciled(repair=True)
    found = {one["kind"]: one for one in differences}
    assert len(found) == len(differences) == 4
    assert found["succeeded_but_not_charged"]["payment"] == gone.id
    assert (found["sums_differ"]["ours"], found["sums_differ"]["theirs"]) == (1234, 1200)
    assert (found["unknown_charge"]["charge"], found["unknown_charge"]["theirs"]) == ("x", 77)
    assert (found["ledger_differs"]["payment"], found["ledger_differs"]["theirs"]) == (kept.id, 1)
    assert {one["repair"] for one in differences} == {None}
    with books.store.read() as tx:
        assert set(tx.execute(sa.select(Payment.version)).scalars()) == {gone.version}


def test_a_failed_payment_that_was_charged_is_for_somebody_to_decide(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.payments.chaos.SUMS", (int(Magic.DECLINE),))
    payment = books.paid()
    changed = "UPDATE charges SET state = 'succeeded', captured = value WHERE key = ?"
    books.at_the_provider(changed, payment.attempt)
    (difference,) = books.reconciled(repair=True)
    assert (difference["kind"], difference["repair"]) == ("charged_but_not_succeeded", None)
    assert books.made() == payment


def test_the_books_are_read_a_page_at_a_time(books: Books) -> None:
    rows = [(f"k{number}", f"r{number}") for number in range(205)]
    names = "key, reference, value, currency, capture, state, captured"
    (file,) = books.folder.glob("provider-*/*.sqlite3")
    with closing(sqlite3.connect(file)) as accounts, accounts:
        accounts.executemany(f"INSERT INTO charges ({names}) VALUES (?, ?, 1, 'EUR', 1, 'succeeded', 1)", rows)
    assert len(books.reconciled()) == 205


def test_a_provider_that_is_away_is_said(books: Books) -> None:
    books._environ["RS_PROVIDER_URL"] = "http://127.0.0.1:9"
    command = [str(BIN / "resource-server"), "reconcile"]
    done = nursery.run(command, books._environ, books.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the payment provider cannot be asked" in done.stderr
