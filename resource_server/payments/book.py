"""The book of payments: each step is a compare-and-set on the version, and appends its transition and its ledger rows in the same transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from resource_server.payments import ledger, machine
from resource_server.payments.machine import Status
from resource_server.payments.models import Payment, TransitionRow
from resource_server.platform.store import Row

Told = Callable[[sa.Connection, Row], None]
"""Hears of each step within its transaction, with the payment as it then is."""
SERVICE = "service"
"""The actor of steps that nobody asked for: the provider's answers, and time."""


class Changed(Exception):
    """Somebody else changed the payment in between, or it is not as the step supposes; nothing was written."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step to `status`. `value` is the money it is about, in minor units; `changes` are further columns it sets."""

    status: Status
    value: int = 0
    actor: str = SERVICE
    reason: str | None = None
    changes: Mapping[str, Any] | None = None


class Book:
    """Reads payments and takes them from step to step."""

    def __init__(self, told: Told, *, now: Callable[[], float] = time.time) -> None:
        self._told = told
        self._now = now

    def add(self, tx: sa.Connection, values: Mapping[str, Any]) -> Row:
        """A new payment, `created`."""
        now = self._now()
        made = {"captured_value": 0, "refunded_value": 0, "created_at": now, "updated_at": now, "version": 1}
        inserting = sa.insert(Payment).values(**made, **values, status=Status.CREATED.value)
        payment: Row = tx.execute(inserting.returning(*Payment.__table__.c)).one()
        self._append(tx, payment, None, Step(Status.CREATED, payment.value, payment.owner))
        return payment

    def take(self, tx: sa.Connection, payment: Row, step: Step) -> Row:
        """Take one step from `payment` as it was read; raises `IllegalStep` and `Changed`."""
        before = Status(payment.status)
        machine.check(before, step.status)
        values = {**(step.changes or {}), "status": step.status.value, "updated_at": self._now()}
        after = self._set(tx, payment, values)
        self._append(tx, after, before, step)
        return after

    def occupy(self, tx: sa.Connection, payment: Row, operation: str) -> None:
        """Let one operation at a time change the payment; raises `Changed`."""
        self._set(tx, payment, {"busy": operation}, Payment.busy.is_(None))

    def release(self, tx: sa.Connection, payment: Row) -> None:
        """Let the next one in, where no step does."""
        self._set(tx, payment, {"busy": None})

    def _set(self, tx: sa.Connection, payment: Row, values: Mapping[str, Any], *also: sa.ColumnElement[bool]) -> Row:
        same = (Payment.id == payment.id, Payment.version == payment.version, *also)
        changing = sa.update(Payment).where(*same).values(**values, version=Payment.version + 1)
        after: Row | None = tx.execute(changing.returning(*Payment.__table__.c)).one_or_none()
        if after is None:
            raise Changed(payment.id)
        return after

    def _append(self, tx: sa.Connection, payment: Row, before: Status | None, step: Step) -> None:
        now = self._now()
        row = {
            "payment_id": payment.id,
            "version": payment.version,
            "before": before,
            "after": step.status.value,
            "reason": step.reason,
            "actor": step.actor,
            "value": step.value,
            "created_at": now,
        }
        tx.execute(sa.insert(TransitionRow).values(**row))
        changes = ledger.moves(step.status, step.value)
        ledger.post(
            tx, payment_id=payment.id, version=payment.version, currency=payment.currency, changes=changes, at=now
        )
        self._told(tx, payment)


def find(tx: sa.Connection, payment_id: str) -> Row | None:
    """The payment as it is."""
    return tx.execute(_FIND, {"id": payment_id}).one_or_none()


def transitions(tx: sa.Connection, payment_id: str) -> list[Row]:
    """Its steps, the first first."""
    query = sa.select(TransitionRow.__table__).where(TransitionRow.payment_id == payment_id)
    return list(tx.execute(query.order_by(TransitionRow.version)).all())


_FIND = sa.select(Payment.__table__).where(Payment.id == sa.bindparam("id"))
