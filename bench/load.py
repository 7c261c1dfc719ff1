"""A load generator that costs little itself: prepared bytes over kept-alive sockets, one thread, epoll."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

CONNECTIONS = 32
_TIMEOUT = 30.0
_ROOM = 262144
_GOOD = b"HTTP/1.1 200"


class Script(Protocol):
    """What one connection does: a unit of work is one request or several in a row."""

    def first(self) -> bytes:
        """The first request."""
        ...

    def next(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        """The next request, and whether this response completed a unit; raises `WrongAnswer`."""
        ...


class WrongAnswer(Exception):
    """The server did not do the work that is measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Units a second, and how long a unit took, in milliseconds."""

    units: int
    seconds: float
    p50: float
    p95: float
    p99: float

    @property
    def rate(self) -> float:
        return self.units / self.seconds


@dataclass(slots=True)
class Repeat:
    """The same request again and again; each answer must be 200 with a body."""

    request: bytes

    def first(self) -> bytes:
        return self.request

    def next(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        expect(head, body, b"200")
        return self.request, True


def expect(head: bytes, body: bytes, status: bytes) -> None:
    """Refuse any other status, and a 200 without a body."""
    if head[9:12] != status or (status == b"200" and not body):
        raise WrongAnswer(f"{head[:200]!r} {body[:300]!r}")


class _Connection:
    def __init__(self, address: tuple[str, int], script: Script, room: bytearray) -> None:
        self._address = address
        self._script = script
        self._room = room
        self._buffer = b""
        self._same = script if isinstance(script, Repeat) else None
        self._length = 0
        self._open()
        self.request = script.first()
        self.started = 0.0

    def _open(self) -> None:
        self.socket = socket.create_connection(self._address, timeout=_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(None)  # epoll has waited: with a timeout Python would poll again before each call

    def send(self) -> None:
        self.socket.sendall(self.request)

    def receive(self) -> bool | None:
        """Read; None: the response is not whole yet, else whether it completed a unit."""
        count = self.socket.recv_into(self._room)
        if not count:
            raise WrongAnswer("the server closed a connection")
        if self._same and not self._buffer and count == self._length and self._room.startswith(_GOOD):
            return True  # as long as the last one, and good: nothing more to learn, nothing more to spend
        self._buffer += self._room[:count]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end]
        whole = end + 4 + content_length(head)
        if len(self._buffer) < whole:
            return None
        self._length = whole
        body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
        self.request, done = self._script.next(head, body)
        return done


def content_length(head: bytes) -> int:
    """How long the body is that comes behind this head."""
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        if b"transfer-encoding:" in lower:
            raise WrongAnswer("a chunked response")
        return 0
    return int(head[at + 15 : head.find(b"\r", at) if b"\r" in head[at:] else len(head)])


def run(
    address: tuple[str, int],
    make: Callable[[int], Script],
    *,
    seconds: float = 5.0,
    warm_up: float = 1.0,
    connections: int = CONNECTIONS,
    units: int | None = None,
) -> Measured:
    """Drive `connections` scripts at once for so many seconds after a warm-up, or for so many units."""
    pool, room = {}, bytearray(_ROOM)
    poll = select.epoll()
    for number in range(connections):
        connection = _Connection(address, make(number), room)
        pool[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    try:
        return _drive(poll, pool, seconds, warm_up, units)
    finally:
        poll.close()
        for connection in pool.values():
            connection.socket.close()


def _drive(
    poll: select.epoll, pool: dict[int, _Connection], seconds: float, warm_up: float, units: int | None
) -> Measured:
    clock = time.perf_counter
    latencies: list[float] = []
    begin = clock()
    for connection in pool.values():
        connection.started = clock()
        connection.send()
    counting_from = begin + warm_up
    end = counting_from + seconds
    while True:
        events = poll.poll(_TIMEOUT)
        if not events:
            raise WrongAnswer("the server stopped answering")
        for number, _event in events:
            connection = pool[number]
            done = connection.receive()
            if done is None:
                continue
            now = clock()
            if done:
                if connection.started >= counting_from:
                    latencies.append(now - connection.started)
                connection.started = now
            connection.send()
        now = clock()
        if (units is not None and len(latencies) >= units) or (units is None and now >= end):
            return _measured(latencies, now - max(counting_from, begin))


def _measured(latencies: Sequence[float], seconds: float) -> Measured:
    if not latencies:
        raise WrongAnswer("nothing was completed")
    ordered = sorted(latencies)
    return Measured(len(ordered), seconds, *(_percentile(ordered, share) for share in (0.50, 0.95, 0.99)))


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


def post(path: str, body: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    """One form post as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/x-www-form-urlencoded"]
    lines += [f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def get(path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    """One GET as bytes."""
    return ("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers]) + "\r\n\r\n").encode()
