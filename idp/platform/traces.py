"""The trace a request is part of (W3C Trace Context), and with it what is done for it later: jobs, pushed events, their log lines.

A caller's trace is taken over. Where it names none, the trace is known by the request's id, so that one word finds all of it in the logs.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z")
_SPAN_BYTES = 8
_CURRENT: ContextVar[tuple[str | None, str] | None] = ContextVar("trace", default=None)
"""What named the trace: a caller's `traceparent`, and the id of the request. Most requests ask for nothing later, so it is read then."""


def begin(given: str | None, request_id: str) -> None:
    """A request begins; `given` is its `traceparent` header."""
    _CURRENT.set((given, request_id))


def trace_id(given: str | None, request_id: str) -> str:
    """The trace of a request."""
    found = _TRACEPARENT.match(given) if given else None
    if found is not None:
        return found.group(1)
    return request_id if _TRACE_ID.match(request_id) else hashlib.sha256(request_id.encode()).hexdigest()[:32]


def traceparent() -> str | None:
    """What goes with a row that is written now, or with a call: the trace, and our own part of it; None outside a request and its jobs."""
    current = _CURRENT.get()
    if current is None:
        return None
    found = _TRACEPARENT.match(current[0] or "")
    flags = found.group(2) if found else "00"
    return f"00-{trace_id(*current)}-{os.urandom(_SPAN_BYTES).hex()}-{flags}"


def headers() -> dict[str, str]:
    """The same as a header of HTTP."""
    named = traceparent()
    return {} if named is None else {"traceparent": named}


@contextmanager
def within(stored: str | None) -> Iterator[None]:
    """What is done here, and what is logged, is part of the trace that a row carries, if it carries one."""
    token = _CURRENT.set((stored, "") if stored else None)
    try:
        with structlog.contextvars.bound_contextvars(**({"trace_id": trace_id(stored, "")} if stored else {})):
            yield
    finally:
        _CURRENT.reset(token)
