"""HTTP connections on which every wait ends at one deadline, however slowly the other side drips; kept open where they are used often."""

from __future__ import annotations

import http.client
import io
import math
import queue
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from token_guard.forking import survive_forks
from token_guard.outbound import Limits, check_url

_MOST_IDLE = 16
_GONE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


class Timed:
    """A connected socket as `http.client` uses one; `deadline` is a moment of `time.monotonic`."""

    def __init__(self, inner: socket.socket, deadline: float) -> None:
        self._inner = inner
        self._readers = 0
        self._closing = False
        self.deadline = deadline

    def sendall(self, data: Any) -> None:
        self._inner.settimeout(self._left())
        self._inner.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        self._inner.settimeout(self._left())
        return self._inner.recv_into(buffer)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def released(self) -> None:
        """A reader ended."""
        self._readers -= 1
        if self._closing and self._readers <= 0:
            self._inner.close()

    def close(self) -> None:
        """Close once no answer is being read any more, as sockets do."""
        self._closing = True
        if self._readers <= 0:
            self._inner.close()


class _Reader(io.RawIOBase):
    """The reading side that `http.client` asks a socket for."""

    def __init__(self, timed: Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._timed.released()


def open_connection(
    parts: SplitResult, limits: Limits, deadline: float, context: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    """A connection to the host of a URL; raises `OSError`."""
    host, timeout = parts.hostname or "", max(0.001, min(limits.connect_timeout, deadline - time.monotonic()))
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        trusted = context or ssl.create_default_context(cafile=limits.ca_file)
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=trusted)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    connection.connect()
    connection.sock = Timed(connection.sock, deadline)
    return connection


def target_of(parts: SplitResult) -> str:
    """What a request line asks for."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class KeptConnections:
    """Connections to one endpoint that stay open between requests; a process that forks leaves them to its parent."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._parts = urlsplit(check_url(url))
        self._limits = limits
        self._context = ssl.create_default_context(cafile=limits.ca_file) if self._parts.scheme == "https" else None
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue(_MOST_IDLE)
        survive_forks(self)

    def post(self, body: bytes, headers: Mapping[str, str], *, seconds: float = math.inf) -> tuple[int, bytes]:
        """Status and body of the answer, within `seconds` and the limits; raises `OSError`, `HTTPException` or `ValueError`.

        A kept connection that the server has closed meanwhile is replaced: the request was not taken then (RFC 9112 §9.3.1).
        """
        deadline = time.monotonic() + min(self._limits.total_timeout, seconds)
        kept = self._kept(deadline)
        if kept is not None:
            try:
                return self._exchange(kept, body, headers)
            except _GONE:
                kept.close()
        return self._exchange(open_connection(self._parts, self._limits, deadline, self._context), body, headers)

    def after_fork(self) -> None:
        """A child has connections of its own."""
        self._idle = queue.LifoQueue(_MOST_IDLE)

    def _kept(self, deadline: float) -> http.client.HTTPConnection | None:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            return None
        assert isinstance(connection.sock, Timed)
        connection.sock.deadline = deadline
        return connection

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        try:
            connection.request("POST", target_of(self._parts), body, dict(headers))
            with connection.getresponse() as answer:
                content = answer.read(self._limits.max_bytes + 1)
                if len(content) > self._limits.max_bytes:
                    raise ValueError("the answer is too large")
                self._keep(connection, answer)
                return answer.status, content
        except BaseException:
            connection.close()
            raise

    def _keep(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        if answer.will_close or not answer.isclosed():
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()
