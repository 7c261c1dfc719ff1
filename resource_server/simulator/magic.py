"""Sums, in minor units, that make the simulator misbehave; every other sum succeeds at once."""

from __future__ import annotations

from enum import IntEnum


class Magic(IntEnum):
    """What a charge of so much does."""

    DECLINE = 6601
    TIME_OUT = 6602
    """The first request is answered too late and not charged."""
    TIME_OUT_BUT_CHARGED = 6603
    """The first request is answered too late and charged all the same."""
    DOUBLE_CALLBACK = 6604
    """Pending, then succeeded, which is told twice."""
    LATE_CALLBACK = 6605
    """Pending for a while, then succeeded, which is told."""
    FAILING_BURST = 6606
    """The first three requests are answered with a 503."""
    AUTHENTICATION = 6607
    """The payer has to authenticate at their bank, which is told."""


BURST = 3


def of(value: int) -> Magic | None:
    """The misbehaviour of this sum."""
    return Magic(value) if value in Magic.__members__.values() else None
