"""Fetching an issuer's documents: bounded in time and size, no redirects, no proxies of the environment, https but for loopback."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from token_guard.trust import IssuerTrust, Limits, check_url, metadata_urls

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.IGNORECASE)
_CHUNK = 16 * 1024
_HEADERS = {"User-Agent": "token_guard", "Accept": "application/json", "Accept-Encoding": "identity"}


class FetchError(Exception):
    """The document could not be had; `status` is that of an answer that was not what was asked for, else 0."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document and for how many seconds its server lets it be cached, if it said so. Not modified: `body` is None."""

    body: bytes | None
    max_age: float | None = None
    etag: str | None = None


FetchJwks = Callable[[IssuerTrust], Fetched]


def fetch_jwks(trust: IssuerTrust) -> Fetched:
    """The issuer's JWKS: at hand, or from `jwks_uri` or the one its metadata names; raises `FetchError`."""
    if trust.jwks is not None:
        return Fetched(json.dumps(dict(trust.jwks)).encode())
    limits, deadline = trust.policy.limits, time.monotonic() + trust.policy.total_timeout
    return get(trust.jwks_uri or _discovered(trust, deadline), limits, deadline=deadline)


def _discovered(trust: IssuerTrust, deadline: float) -> str:
    limits = trust.policy.limits
    first, second = metadata_urls(trust.issuer)
    try:
        fetched = get(first, limits, deadline=deadline)
    except FetchError as error:
        if error.status != 404:
            raise
        fetched = get(second, limits, deadline=deadline)
    try:
        document = json.loads(fetched.body or b"")
        if document["issuer"] != trust.issuer:
            raise FetchError("the metadata is of another issuer")
        return check_url(str(document["jwks_uri"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FetchError("the metadata names no usable jwks_uri") from error


def get(
    url: str,
    limits: Limits,
    *,
    deadline: float | None = None,
    accept: str = "application/json",
    etag: str | None = None,
) -> Fetched:
    """One GET, conditional on `etag` if given; raises `FetchError` for anything but a whole 200 (or then 304) in time.

    What is asked for is wanted as it is now, so caches on the way are told to ask, too (RFC 9111 §5.2.1.4).
    """
    headers = {"Accept": accept, "Cache-Control": "no-cache", **({"If-None-Match": etag} if etag else {})}
    until = time.monotonic() + limits.total_timeout if deadline is None else deadline
    return _exchange("GET", url, headers, None, limits, until, conditional=etag is not None)


def post(url: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Fetched:
    """One POST; raises `FetchError` for anything but a whole 200 in time."""
    return _exchange("POST", url, headers, body, limits, time.monotonic() + limits.total_timeout)


def _exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    limits: Limits,
    deadline: float,
    *,
    conditional: bool = False,
) -> Fetched:
    try:
        parts = urlsplit(check_url(url))
        connection = _connected(parts, limits, deadline)
        try:
            connection.request(method, _target(parts), body, {**_HEADERS, **headers, "Connection": "close"})
            with connection.getresponse() as answer:
                if answer.status == 304 and conditional:
                    return Fetched(None, _max_age(answer), answer.headers.get("ETag"))
                if answer.status != 200:
                    raise FetchError(f"status {answer.status}", answer.status)
                return Fetched(_read(answer, limits), _max_age(answer), answer.headers.get("ETag"))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(type(error).__name__) from error


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _connected(parts: SplitResult, limits: Limits, deadline: float) -> http.client.HTTPConnection:
    host, timeout = parts.hostname or "", max(0.001, min(limits.connect_timeout, deadline - time.monotonic()))
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=limits.ca_file)
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    connection.connect()
    connection.sock = _Timed(connection.sock, deadline)
    return connection


def _read(answer: http.client.HTTPResponse, limits: Limits) -> bytes:
    """The whole body: what has arrived is read as it comes, so that a bound is seen early."""
    body = b""
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > limits.max_bytes:
            raise FetchError("too large")
    if answer.length:
        raise FetchError("cut off")
    return body


def _max_age(answer: http.client.HTTPResponse) -> float | None:
    found = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
    return float(found.group(1)) if found else None


class _Timed:
    """A connected socket on which every wait ends at one deadline, however slowly the other side drips."""

    def __init__(self, inner: socket.socket, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self._readers = 0

    def sendall(self, data: Any) -> None:
        self._inner.settimeout(self.left())
        self._inner.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        self._inner.settimeout(self.left())
        return self._inner.recv_into(buffer)

    def left(self) -> float:
        """Seconds to go; raises `TimeoutError` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def released(self) -> None:
        """A reader ended; the last one closes the connection (RFC 9112 §9.6: the answer may outlive its request)."""
        self._readers -= 1
        if self._readers <= 0:
            self._inner.close()

    def close(self) -> None:
        if self._readers <= 0:
            self._inner.close()


class _Reader(io.RawIOBase):
    """The reading side that `http.client` asks a socket for."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._timed.released()
