"""People at work while nodes come and go: every answer is counted, none is forgiven."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests


class Load:
    """Threads that repeat `work` until the end; `told` counts what it returned, an exception by its name."""

    def __init__(self, work: Callable[[], object], threads: int) -> None:
        self.told: Counter[object] = Counter()
        self._work = work
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._repeat, daemon=True) for _ in range(threads)]

    def _repeat(self) -> None:
        while not self._over.is_set():
            try:
                result = self._work()
            except (requests.RequestException, AssertionError) as error:
                result = f"{type(error).__name__}: {error}"
            with self._lock:
                self.told[result] += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(60)
