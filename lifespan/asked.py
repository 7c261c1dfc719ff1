"""What a signal asks for, where its handler runs in the main thread."""

from __future__ import annotations

import contextlib
from queue import Empty, SimpleQueue


class Asked:
    """Set by a handler of a signal, waited for by the main thread; starts out unset.

    `threading.Event` takes a lock for both, and a handler that comes just then waits for its own thread for ever.
    """

    def __init__(self) -> None:
        self._asked = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self._asked = True
        self._wake.put(None)

    def clear(self) -> None:
        self._asked = False

    def is_set(self) -> bool:
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds`; whether it is set."""
        if not self._asked:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=seconds)
        return self._asked
