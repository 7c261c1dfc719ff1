"""Letting go of the connections of an engine while it is in use."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry


def retire(engine: sa.Engine) -> None:
    """Close the idle connections of an engine; those in use are closed when they come back, to a pool it has let go of."""
    pool = engine.pool
    engine.dispose()
    sa.event.listen(pool, "checkin", _close)  # after that, or the pool that follows would do the same
    pool.dispose()  # what came back between the two


def _close(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.invalidate()
