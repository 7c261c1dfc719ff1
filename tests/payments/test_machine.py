"""The payment machine: whatever is asked in whatever order, only its own steps are taken, and the ledger agrees with each."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic import command
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resource_server.api.money import Money
from resource_server.payments import book, ledger
from resource_server.payments.book import Book, Changed, Step
from resource_server.payments.ledger import Account, Unbalanced
from resource_server.payments.machine import STEPS, IllegalStep, Status
from resource_server.payments.models import LedgerEntry, LedgerSum
from resource_server.platform import schema
from resource_server.platform.store import Row, Store
from tests.support.stores import open_payments

VALUE = 1000


def new_payment(records: Book, store: Store, number: int = 1) -> Row:
    money = Money(VALUE, "EUR")
    values = {
        "id": f"pay_{number:022}",
        "owner": "somebody",
        "client_id": "app",
        "method": "pm_card",
        "capture": "manual",
        "value": money.value,
        "currency": money.currency,
        "attempt": f"op_{number}",
    }
    with store.change() as tx:
        return records.add(tx, values)


def test_every_status_has_its_row_and_every_final_one_no_step() -> None:
    assert set(STEPS) == set(Status)
    final = {status for status, after in STEPS.items() if not after}
    assert final == {Status.REFUNDED, Status.FAILED, Status.CANCELED, Status.EXPIRED}


class PaymentMachine(RuleBasedStateMachine):
    """Steps at random, legal or not, against the machine as the design draws it."""

    drawn = frozenset(
        {
            ("created", "requires_authentication"),
            ("created", "processing"),
            ("requires_authentication", "processing"),
            ("processing", "requires_authentication"),
            ("processing", "authorized"),
            ("processing", "succeeded"),
            ("processing", "failed"),
            ("authorized", "succeeded"),
            ("authorized", "canceled"),
            ("authorized", "expired"),
            ("succeeded", "partially_refunded"),
            ("succeeded", "refunded"),
            ("partially_refunded", "partially_refunded"),
            ("partially_refunded", "refunded"),
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self.told = list[str]()
        self.folder = tempfile.TemporaryDirectory(prefix="machine-")
        self.store = open_payments(f"sqlite:///{Path(self.folder.name) / 'payments.sqlite3'}")
        schema.upgrade(self.store)
        self.book = Book(lambda _tx, payment: self.told.append(payment.status))
        self.payment = new_payment(self.book, self.store)
        self.before: Row | None = None
        self.path = ["created"]
        self.cash = self.refunds = 0

    def teardown(self) -> None:
        self.store.engine.dispose()
        self.folder.cleanup()

    @rule(status=st.sampled_from(Status), value=st.integers(1, VALUE))
    def step(self, status: Status, value: int) -> None:
        legal = (self.path[-1], status.value) in self.drawn
        try:
            with self.store.change() as tx:
                after = self.book.take(tx, self.payment, Step(status, value))
        except IllegalStep:
            assert not legal
            return
        assert legal
        self.before, self.payment = self.payment, after
        self.path.append(status.value)
        if status is Status.SUCCEEDED:
            self.cash += value
        if status in {Status.PARTIALLY_REFUNDED, Status.REFUNDED}:
            self.cash, self.refunds = self.cash - value, self.refunds + value

    @rule(status=st.sampled_from(Status))
    def stale(self, status: Status) -> None:
        """A step from a version that is over changes nothing, legal or not."""
        if self.before is None:
            return
        with contextlib.suppress(IllegalStep, Changed), self.store.change() as tx:
            self.book.take(tx, self.before, Step(status))
            raise AssertionError("a step from an old version was taken")

    @invariant()
    def the_books_agree(self) -> None:
        with self.store.read() as tx:
            now = book.find(tx, self.payment.id)
            steps = book.transitions(tx, self.payment.id)
        assert now is not None
        assert now.status == self.path[-1]
        assert [step.after for step in steps] == self.path == self.told
        assert [step.version for step in steps] == list(range(1, len(self.path) + 1))
        held = ledger.held(self.store)
        assert ledger.imbalance(held) == {}
        assert held == ledger.recounted(self.store)
        assert held.get((Account.CASH, "EUR"), 0) == self.cash
        assert held.get((Account.REFUNDS, "EUR"), 0) == self.refunds


PaymentMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestPaymentMachine = PaymentMachine.TestCase


def test_of_many_who_take_the_same_step_one_does(store: Store) -> None:
    records, together = Book(lambda _tx, _payment: None), Barrier(8)
    payment = new_payment(records, store)

    def take(_number: int) -> str:
        together.wait()
        try:
            with store.change() as tx:
                records.take(tx, payment, Step(Status.PROCESSING))
        except Changed:
            return "changed"
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(take, range(8))) == {"taken": 1, "changed": 7}
    with store.read() as tx:
        assert len(book.transitions(tx, payment.id)) == 2


def test_one_operation_at_a_time_changes_a_payment(store: Store) -> None:
    records = Book(lambda _tx, _payment: None)
    payment = new_payment(records, store)
    with store.change() as tx:
        records.occupy(tx, payment, "op_a")
    with pytest.raises(Changed), store.change() as tx:
        records.occupy(tx, payment, "op_b")
    with store.read() as tx:
        now = book.find(tx, payment.id)
    assert now is not None
    with pytest.raises(Changed), store.change() as tx:
        records.occupy(tx, now, "op_b")
    with store.change() as tx:
        records.release(tx, now)


def test_rows_that_do_not_sum_to_zero_are_never_written(store: Store) -> None:
    changes = {Account.CASH: 5, Account.RECEIVABLE: -4}
    with pytest.raises(Unbalanced), store.change() as tx:
        ledger.post(tx, payment_id="pay_1", version=2, currency="EUR", changes=changes, at=0.0)
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(LedgerEntry)).scalar_one() == 0


def test_a_ledger_that_is_out_of_balance_is_seen(store: Store) -> None:
    row = {"payment_id": "pay_1", "version": 2, "account": "cash", "currency": "JPY", "value": 5, "created_at": 0.0}
    with store.change() as tx:
        tx.execute(sa.insert(LedgerEntry).values(**row))
    assert ledger.imbalance(ledger.recounted(store)) == {"JPY": 5}
    assert ledger.imbalance({(Account.CASH, "JPY"): 5, (Account.CASH, "EUR"): 3, (Account.REFUNDS, "EUR"): -3}) == {
        "JPY": 5
    }


def test_the_sums_are_as_many_rows_for_hundreds_of_payments_as_for_one(store: Store) -> None:
    def pay(number: int) -> None:
        changes = {Account.CASH: number, Account.RECEIVABLE: -number}
        with store.change() as tx:
            ledger.post(tx, payment_id=f"pay_{number}", version=2, currency="EUR", changes=changes, at=0.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pay, range(1, 301)))
    with store.read() as tx:
        rows = tx.execute(sa.select(sa.func.count()).select_from(LedgerSum)).scalar_one()
    assert rows == 2 * ledger.PARTS
    assert ledger.held(store) == ledger.recounted(store)
    assert ledger.held(store)[Account.CASH, "EUR"] == sum(range(1, 301))


def test_a_ledger_from_before_there_were_sums_is_summed_up(store: Store) -> None:
    with store.change() as tx:
        command.downgrade(schema.migrations(store, tx), "0004")
        row = {"payment_id": "pay_1", "version": 2, "currency": "EUR", "created_at": 0.0}
        for account, value in (("cash", 5), ("receivable", -5)):
            tx.execute(sa.insert(LedgerEntry).values(**row, account=account, value=value))
    schema.upgrade(store)
    assert ledger.held(store) == {(Account.CASH, "EUR"): 5, (Account.RECEIVABLE, "EUR"): -5}


def test_what_an_old_node_wrote_is_missing_in_the_sums_until_they_are_recounted(store: Store) -> None:
    changes = {Account.CASH: 7, Account.RECEIVABLE: -7}
    with store.change() as tx:
        ledger.post(tx, payment_id="pay_new", version=2, currency="EUR", changes=changes, at=0.0)
        row = {"payment_id": "pay_old", "version": 2, "currency": "EUR", "created_at": 0.0}
        for account, value in (("cash", 5), ("receivable", -5)):
            tx.execute(sa.insert(LedgerEntry).values(**row, account=account, value=value))
    assert ledger.held(store)[Account.CASH, "EUR"] == 7
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ledger.recount(store), range(4)))
    assert [one for one in found if one] == [{(Account.CASH, "EUR"): 5, (Account.RECEIVABLE, "EUR"): -5}]
    assert (
        ledger.held(store) == ledger.recounted(store) == {(Account.CASH, "EUR"): 12, (Account.RECEIVABLE, "EUR"): -12}
    )


@pytest.mark.parametrize("status", Status)
def test_whatever_a_step_moves_sums_to_zero(status: Status) -> None:
    assert sum(ledger.moves(status, 123).values()) == 0
