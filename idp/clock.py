"""Time as a parameter: whoever needs it is handed a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; seconds since 1970-01-01 UTC."""

    def now(self) -> int:
        """Whole seconds, rounded down, so that an `iat` is never ahead of real time."""
        ...

    def precise(self) -> float:
        """Seconds with a fraction, for windows, leases and measuring."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return int(time.time())

    def precise(self) -> float:
        return time.time()
