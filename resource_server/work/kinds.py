"""What a job is to its handler, and how a kind of job is retried."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Effect = Callable[[sa.Connection], None]
"""What a job changes: applied in one transaction with its inbox row and its end, so exactly once."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `attempts` counts this one; more than one means that an earlier run may have reached the world outside.

    `traceparent` is the trace in which it was asked for.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    traceparent: str | None = None


Handler = Callable[[Job], Effect | None]
"""Does what lies outside the database, which must bear being done again, and returns what then changes within it."""


class Later(Exception):
    """Raised by a handler for what is no failure, only not to be done yet; it uses up no try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class BackOff:
    """Delays in seconds that double from `first` up to `longest`, with a fifth of jitter either way."""

    first: float = 1.0
    longest: float = 3600.0
    tries: int = 8

    def delay(self, attempts: int) -> float | None:
        """How long to wait after so many tries; None when there is no further one."""
        return None if attempts >= self.tries else jittered(min(self.longest, self.first * 2.0 ** (attempts - 1)))


@dataclass(frozen=True, slots=True)
class Ladder:
    """One delay in seconds after each try."""

    delays: tuple[float, ...]

    def delay(self, attempts: int) -> float | None:
        """How long to wait after so many tries; None when there is no further one."""
        return jittered(self.delays[attempts - 1]) if attempts <= len(self.delays) else None


@dataclass(frozen=True, slots=True)
class Kind:
    """Who does jobs of a kind, and how failures are retried. `buried` is told of one that is given up, in the transaction that buries it."""

    name: str
    handler: Handler
    retries: BackOff | Ladder = BackOff()
    buried: Callable[[sa.Connection, Job], None] | None = None


def jittered(seconds: float) -> float:
    """About so long, so that what failed together does not come back together."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, no secret
