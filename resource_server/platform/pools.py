"""Pools of database connections at which nobody waits for longer than their caller does: not for one to be free, not for a server to answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import TIMEOUT_MAX
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Queue

from resource_server.platform import deadlines
from resource_server.platform.deadlines import Passed


class _Idle(Queue[ConnectionPoolEntry]):
    """The connections that nobody uses."""

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        return super().get(block, deadlines.left(timeout) if block and timeout is not None else timeout)


class Pool(sa.QueuePool):
    """Connections to a file. Raises `Passed`, or SQLAlchemy's `TimeoutError` once the deadline has passed."""

    _queue_class = _Idle


class RemotePool(Pool):
    """Connections to a server, which may be slow to answer, or never do."""

    def __init__(self, creator: Any, pool_size: int = 5, **options: Any) -> None:
        if not isinstance(creator, _Connect):  # which a pool that is made anew is given
            creator = _Connect(creator, pool_size)
        super().__init__(creator, pool_size, **options)


class _Connect:
    """Connects. For who waits for a limited time a thread does, of `most` at once: libpq itself gives up after two seconds at the earliest.

    A connection that comes too late is closed.
    """

    def __init__(self, connect: Callable[[Any], Any], most: int) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(most, "connect")

    def __call__(self, record: Any) -> Any:
        if not deadlines.given():
            return self._connect(record)
        seconds = deadlines.left(TIMEOUT_MAX)
        attempt = self._threads.submit(self._connect, record)
        try:
            return attempt.result(seconds)
        except TimeoutError:
            if not attempt.cancel():
                attempt.add_done_callback(_close)
            raise Passed from None


def _close(late: Future[Any]) -> None:
    if late.exception() is None:
        late.result().close()
