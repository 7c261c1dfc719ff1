"""How a request is known in logs: by the trace id its caller gave it, else by one of our own."""

from __future__ import annotations

import re
import secrets

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(traceparent: str | None) -> str:
    """The trace id of a `traceparent` field (W3C Trace Context §3.2), or a new one."""
    found = _TRACEPARENT.match(traceparent or "")
    return found.group(1) if found else secrets.token_hex(16)
