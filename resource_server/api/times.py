"""Times as v2 shows them."""

from __future__ import annotations

from datetime import UTC, datetime


def shown(seconds: int) -> str:
    """RFC 3339 in UTC, such as `2026-11-25T06:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
