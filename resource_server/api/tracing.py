"""How a request is known here and at those it calls (W3C Trace Context): taken over from the caller, or begun."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import request

from resource_server.platform.traces import Trace

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_TRACE, _REQUEST = "rs.trace", "rs.request_id"


def begin(environ: dict[str, Any]) -> Trace:
    """Give the request its trace and its id: the caller's own X-Request-Id when it is a sound one, else the trace's."""
    trace = Trace.taken_over(environ.get("HTTP_TRACEPARENT")) or Trace.begun()
    given = environ.get("HTTP_X_REQUEST_ID", "")
    environ[_TRACE] = trace
    environ[_REQUEST] = given if _REQUEST_ID.match(given) else trace.trace_id
    return trace


def request_id(environ: Mapping[str, Any] | None = None) -> str:
    """How the request is known in the log; `-` where it came around the edge."""
    return str((request.environ if environ is None else environ).get(_REQUEST, "-"))


def trace(environ: Mapping[str, Any] | None = None) -> Trace | None:
    """The trace of the request."""
    found = (request.environ if environ is None else environ).get(_TRACE)
    return found if isinstance(found, Trace) else None
