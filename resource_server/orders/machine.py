"""The order machine as data: which status may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where an order is."""

    DRAFT = "draft"
    AWAITING_PAYMENT = "awaiting_payment"
    PAYMENT_FAILED = "payment_failed"
    PAID = "paid"
    FULFILLED = "fulfilled"
    CANCELED = "canceled"


STEPS: Mapping[Status, frozenset[Status]] = {
    Status.DRAFT: frozenset({Status.AWAITING_PAYMENT, Status.CANCELED}),
    Status.AWAITING_PAYMENT: frozenset({Status.PAID, Status.PAYMENT_FAILED, Status.CANCELED}),
    Status.PAYMENT_FAILED: frozenset({Status.AWAITING_PAYMENT, Status.CANCELED}),
    Status.PAID: frozenset({Status.FULFILLED, Status.CANCELED}),
    Status.FULFILLED: frozenset(),
    Status.CANCELED: frozenset(),
}
"""A payment that failed may be tried again; what was sent out is not canceled any more."""

PAYABLE = frozenset({Status.DRAFT, Status.PAYMENT_FAILED})
CANCELABLE = frozenset(before for before, after in STEPS.items() if Status.CANCELED in after)


class IllegalStep(Exception):
    """The machine has no such step."""

    def __init__(self, before: Status, after: Status) -> None:
        super().__init__(f"{before} to {after}")
        self.before = before
        self.after = after


def check(before: Status, after: Status) -> None:
    """Raises `IllegalStep`."""
    if after not in STEPS[before]:
        raise IllegalStep(before, after)
