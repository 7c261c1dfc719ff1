"""Ports for the servers of tests: each is given out once in a long while, whichever process asks.

A port that was free a moment ago can belong to somebody else's server when ours begins to listen; a test would then talk to that one.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import time
from pathlib import Path

_FIRST, _LAST = 11_000, 31_999
"""Below those that Linux gives to connections, and free of the ports that browsers refuse to talk to."""
_FREE_WITHIN = 30.0
_GIVEN = Path(tempfile.gettempdir()) / f"ports-of-tests-{os.getuid()}"
"""The number that was given out last, for all processes of this user."""


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given."""
    with _GIVEN.open("a+") as given:
        fcntl.flock(given, fcntl.LOCK_EX)
        given.seek(0)
        port = int(given.read() or _LAST)
        for _ in range(_LAST - _FIRST):
            port = port + 1 if port < _LAST else _FIRST
            if is_free(port):
                break
        given.truncate(0)
        given.write(str(port))
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until_free(port: int) -> None:
    """Until a server could listen on it."""
    deadline = time.monotonic() + _FREE_WITHIN
    while not is_free(port):
        assert time.monotonic() < deadline, f"port {port} stays taken"
        time.sleep(0.01)
