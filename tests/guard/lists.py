"""Status lists in the test's hand: an issuer's shards, served with ETags, that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from token_guard import Guard, GuardError, IssuerTrust, JwksPolicy, Needs, StatusPolicy
from token_guard.fetch import Fetched, FetchError
from token_guard.outbound import Limits

from tests.guard.issuer import Issuer, send
from tests.guard.minting import AUDIENCE, EC, ISSUER, jwks, signed, token
from tests.support.clocks import ManualClock

PATH = "/oauth/status/1"
PATIENCE = 20
DENY = Needs(on_stale="deny")


def packed(octets: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(octets, 9)).rstrip(b"=").decode()


def list_token(
    uri: str,
    now: float,
    octets: bytes = bytes(16),
    header: Mapping[str, Any] | None = None,
    key: Any = EC,
    **changes: Any,
) -> str:
    """A signed status list, but for `changes`; None leaves a claim out."""
    good = {
        "sub": uri,
        "iat": int(now),
        "exp": int(now) + 300,
        "ttl": 15,
        "status_list": {"bits": 1, "lst": packed(octets)},
    }
    named = {name: value for name, value in {**good, **changes}.items() if value is not None}
    return signed(json.dumps(named).encode(), {"typ": "statuslist+jwt", **(header or {})}, key)


def placed(uri: str, index: int, **changes: Any) -> str:
    """A good token with a place in a list."""
    return token(**{"status": {"status_list": {"idx": index, "uri": uri}}, **changes})


class Shard:
    """A guard, its clock, and the one list its tokens are in, fetched without a network."""

    uri = f"{ISSUER}{PATH}"

    def __init__(self, **policy: Any) -> None:
        self.clock = ManualClock()
        self.octets = bytearray(16)
        self.changes: dict[str, Any] = {}
        self.answer: Callable[[], Fetched] = self.serve
        self.asked = 0
        self._lock = threading.Lock()
        trust = IssuerTrust(ISSUER, AUDIENCE, policy=JwksPolicy(stale_for=1e9))
        self.guard = Guard(
            trust,
            fetch=lambda _trust: Fetched(jwks(EC), 3600),
            status=StatusPolicy(fetch=self._fetch, **policy),
            now=self.clock.precise,
        )

    def _fetch(self, uri: str, _limits: Limits, _etag: str | None) -> Fetched:
        assert uri == self.uri
        with self._lock:
            self.asked += 1
        return self.answer()

    def serve(self) -> Fetched:
        return Fetched(list_token(self.uri, self.clock.precise(), bytes(self.octets), **self.changes).encode())

    def away(self) -> Fetched:
        raise FetchError("status 503", 503)

    def revoke(self, index: int) -> None:
        self.octets[index // 8] |= 1 << index % 8

    def token(self, index: int, **changes: Any) -> str:
        now = self.clock.now()
        return placed(self.uri, index, **{"iat": now - 1, "exp": now + 300, **changes})

    def refusal(self, presented: str, needs: Needs | None = None) -> GuardError:
        """Why the token is refused, which it must be."""
        with pytest.raises(GuardError) as caught:
            self.guard.validate(presented, needs or Needs())
        return caught.value

    def refuses(self, presented: str) -> bool:
        try:
            self.guard.validate(presented)
        except GuardError:
            return True
        return False


def eventually(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until it is so, or fail."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def serve_list(issuer: Issuer, body: Callable[[], bytes]) -> list[BaseHTTPRequestHandler]:
    """Let a running issuer serve a list at `PATH`, with an ETag; returns what it is asked, as it comes."""
    asked: list[BaseHTTPRequestHandler] = []
    usual = issuer.answer

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path != PATH:
            return usual(handler)
        asked.append(handler)
        content = body()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if handler.headers.get("If-None-Match") == etag:
            return send(handler, 304, ETag=etag)
        return send(handler, 200, content, ETag=etag, **{"Content-Type": "application/statuslist+jwt"})

    issuer.answer = answer  # type: ignore[method-assign]  # this issuer has lists, too
    return asked
