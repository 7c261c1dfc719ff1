"""Our books beside the provider's: what was charged and what we know of it, compared charge by charge.

Nothing is written by hand. What the payment machine itself can put right is asked for again by a job that first asks the provider what became of
it; what it cannot is said, for somebody to decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from resource_server.payments import settling
from resource_server.payments.ledger import Account
from resource_server.payments.machine import PAID, UNSETTLED, Status
from resource_server.payments.models import JobRow, LedgerEntry, OperationRow, Payment
from resource_server.payments.provider import Charge, Provider
from resource_server.platform.store import Row, Store
from resource_server.work.jobs import Jobs

_PAGE = 100
_AUTHORIZED, _SUCCEEDED, _PENDING = "authorized", "succeeded", frozenset({"pending", "requires_action"})


class Kind(StrEnum):
    """What differs."""

    NOT_SETTLED = "charged_but_not_settled"
    """The provider is done with it, and the payment still waits."""
    NOT_SUCCEEDED = "charged_but_not_succeeded"
    """The provider has money for a payment that says it was not made."""
    NOT_CHARGED = "succeeded_but_not_charged"
    SUMS = "sums_differ"
    UNKNOWN = "unknown_charge"
    """No payment of ours was made with this attempt."""
    LEDGER = "ledger_differs"
    """The payment and its own rows in the ledger."""


class Repair(StrEnum):
    """What was begun to put it right."""

    ASKED_AGAIN = "asked_again"
    """A job asks the provider what became of the charge, and takes the step."""
    REPLAYED = "replayed"
    """The job that was given up gets its tries anew, and asks first."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; values in minor units, None where the other side has nothing."""

    kind: Kind
    payment: str | None
    charge: str | None
    status: str | None
    state: str | None
    ours: int | None
    theirs: int | None
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How much was compared, and what differs."""

    charges: int
    payments: int
    differences: tuple[Difference, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Reconciliation:
    """Compares. What changed within the last `quiet` seconds is left out: it is under way."""

    def __init__(self, store: Store, jobs: Jobs, provider: Provider, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._jobs = jobs
        self._provider = provider
        self._now = now

    def run(self, *, quiet: float, repair: bool = False) -> Report:
        """Compare everything, a page at a time, and begin what puts it right if that is wished; raises `ProviderDown`.

        The ids of what was charged are held meanwhile.
        """
        seen: set[str] = set()
        found: list[Difference] = []
        for page in self._provider.charges():
            seen.update(charge.key for charge in page)
            found += self._compared(page, quiet)
        payments = 0
        for rows in self._paid(quiet):
            payments += len(rows)
            found += [_absent(row) for row in rows if row.attempt not in seen]
            found += self._balanced(rows)
        return Report(len(seen), payments, tuple(self._repaired(one) if repair else one for one in found))

    def _compared(self, page: Sequence[Charge], quiet: float) -> Iterator[Difference]:
        with self._store.read() as tx:
            wanted = Payment.id.in_([charge.reference for charge in page])
            known = {row.id: row for row in tx.execute(sa.select(Payment.__table__).where(wanted))}
            busy = OperationRow.id.in_([row.busy for row in known.values() if row.busy])
            begun = {row.id: row.created_at for row in tx.execute(sa.select(OperationRow.__table__).where(busy))}
        for charge in page:
            payment = known.get(charge.reference)
            if payment is None or payment.attempt != charge.key:
                yield Difference(Kind.UNKNOWN, None, charge.key, None, charge.state, None, charge.captured)
                continue
            if max(payment.updated_at, begun.get(payment.busy, 0.0)) > self._now() - quiet:
                continue
            kind = _differs(payment, charge)
            if kind is not None:
                yield _difference(kind, payment, charge)

    def _paid(self, quiet: float) -> Iterator[Sequence[Row]]:
        """Payments of which the provider must know, a page at a time."""
        after, before = "", self._now() - quiet
        charged = Payment.status.in_([status.value for status in (*PAID, Status.AUTHORIZED)])
        query = sa.select(Payment.__table__).where(charged, Payment.updated_at <= before).order_by(Payment.id)
        while True:
            with self._store.read() as tx:
                rows = tx.execute(query.where(Payment.id > after).limit(_PAGE)).all()
            if not rows:
                return
            yield rows
            after = rows[-1].id

    def _balanced(self, rows: Sequence[Row]) -> Iterator[Difference]:
        """Whether the ledger holds as cash what each payment says."""
        total = sa.func.sum(LedgerEntry.value)
        query = sa.select(LedgerEntry.payment_id, total).group_by(LedgerEntry.payment_id)
        cash = (LedgerEntry.account == Account.CASH, LedgerEntry.payment_id.in_([row.id for row in rows]))
        with self._store.read() as tx:
            held: Mapping[str, int] = {name: int(value) for name, value in tx.execute(query.where(*cash))}
        for row in rows:
            ours, booked = row.captured_value - row.refunded_value, held.get(row.id, 0)
            if ours != booked:
                yield Difference(Kind.LEDGER, row.id, row.attempt, row.status, None, ours, booked)

    def _repaired(self, difference: Difference) -> Difference:
        """With what was begun: nothing, where the machine has no step for it."""
        repair = None
        if difference.kind is Kind.NOT_SETTLED:
            with self._store.change() as tx:
                self._jobs.enqueue(tx, settling.CHARGE, {"payment": difference.payment, "tries": 1})
            repair = Repair.ASKED_AGAIN
        elif difference.kind is Kind.SUMS and self._replayed(difference.payment):
            repair = Repair.REPLAYED
        return replace(difference, repair=repair)

    def _replayed(self, payment: str | None) -> bool:
        """Whether a job of this payment was given up, which then gets its tries anew."""
        with self._store.read() as tx:
            dead = tx.execute(sa.select(JobRow.id, JobRow.payload).where(JobRow.state == "dead")).all()
        mine = [row.id for row in dead if row.payload.get("payment") == payment]
        return sum(self._jobs.replay(job) for job in mine) > 0


def _differs(payment: Row, charge: Charge) -> Kind | None:
    status = Status(payment.status)
    if status in UNSETTLED:
        return None if charge.state in _PENDING else Kind.NOT_SETTLED
    if (payment.value, payment.currency) != (charge.value, charge.currency):
        return Kind.SUMS
    if status in PAID and charge.state != _SUCCEEDED:
        return Kind.NOT_CHARGED
    if status not in PAID and charge.captured:
        return Kind.SUMS if status is Status.AUTHORIZED else Kind.NOT_SUCCEEDED
    if (payment.captured_value, payment.refunded_value) != (charge.captured, charge.refunded):
        return Kind.SUMS
    released = status in {Status.FAILED, Status.CANCELED, Status.EXPIRED}
    return Kind.SUMS if (status is Status.AUTHORIZED) != (charge.state == _AUTHORIZED) and not released else None


def _difference(kind: Kind, payment: Row, charge: Charge) -> Difference:
    ours, theirs = payment.captured_value - payment.refunded_value, charge.captured - charge.refunded
    return Difference(kind, payment.id, charge.key, payment.status, charge.state, ours, theirs)


def _absent(payment: Row) -> Difference:
    ours = payment.captured_value - payment.refunded_value
    return Difference(Kind.NOT_CHARGED, payment.id, payment.attempt, payment.status, None, ours, None)
