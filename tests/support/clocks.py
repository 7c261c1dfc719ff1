"""A clock that stands still until told otherwise."""

from __future__ import annotations

import time


class ManualClock:
    """Starts at the real time; `advance` moves it."""

    def __init__(self) -> None:
        self._time = float(int(time.time()))

    def now(self) -> int:
        return int(self._time)

    def precise(self) -> float:
        return self._time

    def advance(self, seconds: float) -> None:
        self._time += seconds
