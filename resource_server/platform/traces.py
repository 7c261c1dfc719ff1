"""The trace we are in (W3C Trace Context): a request's, and later that of the work it asked for, in whatever process this is done."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z")


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, and our own part of it."""

    trace_id: str
    span_id: str
    flags: str

    @classmethod
    def begun(cls) -> Trace:
        """A new one."""
        return cls(secrets.token_hex(16), secrets.token_hex(8), "00")

    @classmethod
    def taken_over(cls, traceparent: str | None) -> Trace | None:
        """Our part of the trace that a caller or a job row names; None when it names none (§3.2)."""
        found = _TRACEPARENT.match(traceparent or "")
        return cls(found.group(1), secrets.token_hex(8), found.group(2)) if found else None

    @property
    def traceparent(self) -> str:
        """For those we call, for the answer, and for what is done later."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """What is done here is part of this trace."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def traceparent() -> str | None:
    """What goes with a call or a row that is made now."""
    trace = _CURRENT.get()
    return None if trace is None else trace.traceparent


def headers() -> dict[str, str]:
    """The same as a header of HTTP; none outside a trace."""
    named = traceparent()
    return {} if named is None else {"traceparent": named}


def into_log(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Each line tells the trace in which it was written."""
    trace = _CURRENT.get()
    if trace is not None:
        event.setdefault("trace_id", trace.trace_id)
    return event
