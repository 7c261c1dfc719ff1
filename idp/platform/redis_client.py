"""Our clients of Redis: impatient, and known to wait."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import redis

_SECONDS = 1


class _Client(redis.Redis):
    """Whose every command is sent while its thread waits."""

    waiting: AbstractContextManager[object] = nullcontext()

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        with self.waiting:
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]


def connect(url: str, waiting: AbstractContextManager[object] | None = None, **options: Any) -> redis.Redis:
    """A client that gives up after a second; its threads are within `waiting` while they wait for an answer."""
    client = cast(_Client, _Client.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, **options))
    client.waiting = waiting or nullcontext()
    return client
