"""A small memory of what happened here lately, bounded in time and size."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

_CAP = 10_000


class Recent:
    """Remembers keys for `seconds`; the oldest go when there are too many."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, key: str) -> None:
        with self._lock:
            self._until.pop(key, None)
            self._until[key] = time.monotonic() + self._seconds
            if len(self._until) > _CAP:
                self._until.popitem(last=False)

    def holds(self, key: str) -> bool:
        return self._until.get(key, 0.0) > time.monotonic()
