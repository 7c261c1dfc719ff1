"""How a request is known here and at those it calls (W3C Trace Context): taken over from the caller, or begun."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_TRACE, _REQUEST = "rs.trace", "rs.request_id"


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, and our own part of it."""

    trace_id: str
    span_id: str
    flags: str

    @property
    def traceparent(self) -> str:
        """For those we call, and for the answer."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def begin(environ: dict[str, Any]) -> None:
    """Give the request its trace and its id: the caller's own X-Request-Id when it is a sound one, else the trace's."""
    found = _TRACEPARENT.match(environ.get("HTTP_TRACEPARENT", ""))
    trace_id, flags = (found.group(1), found.group(2)) if found else (secrets.token_hex(16), "00")
    given = environ.get("HTTP_X_REQUEST_ID", "")
    environ[_TRACE] = Trace(trace_id, secrets.token_hex(8), flags)
    environ[_REQUEST] = given if _REQUEST_ID.match(given) else trace_id


def request_id(environ: Mapping[str, Any] | None = None) -> str:
    """How the request is known in the log; `-` where it came around the edge."""
    return str((request.environ if environ is None else environ).get(_REQUEST, "-"))


def trace(environ: Mapping[str, Any] | None = None) -> Trace | None:
    """The trace of the request."""
    found = (request.environ if environ is None else environ).get(_TRACE)
    return found if isinstance(found, Trace) else None
