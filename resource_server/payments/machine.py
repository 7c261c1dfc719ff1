"""The payment machine as data: which status may follow which, and which money each step moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where a payment is."""

    CREATED = "created"
    REQUIRES_AUTHENTICATION = "requires_authentication"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


STEPS: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.REQUIRES_AUTHENTICATION, Status.PROCESSING}),
    Status.REQUIRES_AUTHENTICATION: frozenset({Status.PROCESSING}),
    Status.PROCESSING: frozenset({Status.AUTHORIZED, Status.SUCCEEDED, Status.FAILED, Status.REQUIRES_AUTHENTICATION}),
    Status.AUTHORIZED: frozenset({Status.SUCCEEDED, Status.CANCELED, Status.EXPIRED}),
    Status.SUCCEEDED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    Status.PARTIALLY_REFUNDED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    Status.REFUNDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
    Status.EXPIRED: frozenset(),
}
"""A failed payment stays failed: another attempt is another payment."""

PAID = frozenset({Status.SUCCEEDED, Status.PARTIALLY_REFUNDED, Status.REFUNDED})
"""Money came in, whatever went out later."""
REFUNDABLE = frozenset({Status.SUCCEEDED, Status.PARTIALLY_REFUNDED})
UNSETTLED = frozenset({Status.CREATED, Status.REQUIRES_AUTHENTICATION, Status.PROCESSING})


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
