"""How long whoever asked still waits: what is done for a request ends by then, on whatever floor and however far away it is done."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "Request-Timeout"
"""How many seconds the caller still waits: after that nobody needs the answer. Said between services alone; what stands in front drops it."""
_SECONDS = re.compile(r"\d{1,6}(?:\.\d{1,6})?\Z", re.ASCII)
_END: ContextVar[float | None] = ContextVar("deadline", default=None)


class Passed(Exception):
    """Nobody waits for this any more."""


def parsed(text: str) -> float:
    """The seconds that a header gives; raises `ValueError` for what is no number of them."""
    if not _SECONDS.match(text):
        raise ValueError("no number of seconds")
    return float(text)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """What is done here is of use for so many seconds; None: however long it takes."""
    token = _END.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def given() -> bool:
    """Whether somebody waits for a limited time."""
    return _END.get() is not None


def passed() -> bool:
    """Whether nobody waits any more."""
    return seconds_left() <= 0


def seconds_left() -> float:
    """The seconds that whoever asked still waits: none or fewer when that is over, infinite when they wait for no limited time."""
    end = _END.get()
    return math.inf if end is None else end - time.monotonic()


def left(most: float) -> float:
    """The seconds that are left for something that takes at most `most` of them; raises `Passed` when there are none."""
    rest = min(most, seconds_left())
    if rest <= 0:
        raise Passed
    return rest


def check() -> None:
    """Go on only while somebody waits; raises `Passed`."""
    if passed():
        raise Passed
