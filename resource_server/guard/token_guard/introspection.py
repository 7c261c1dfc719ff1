"""Asking the issuer (RFC 7662): for tokens that say nothing themselves, and where only the issuer's word of this moment counts."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote_plus, urlencode

from token_guard.breaker import Breaker
from token_guard.checks import Check
from token_guard.connections import KeptConnections
from token_guard.errors import cannot_know, invalid_token
from token_guard.flights import SecondsLeft, forever, too_late
from token_guard.forking import survive_forks
from token_guard.outbound import Limits, check_url

_MAX_KEPT = 10_000
_PRESUMED_LIFE = 60
Claims = Mapping[str, Any]
Fields = Callable[[], Mapping[str, str]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Introspection:
    """An issuer's introspection endpoint and how this API is known there; durations in seconds.

    `client_id` and `client_secret` for HTTP Basic, or `fields` for form parameters of another method (`client_assertion`). An answer is
    kept for `cache_seconds`, an inactive one for `inactive_seconds`; operations that need a fresh one ask all the same. After `failures`
    in a row the endpoint is left alone for `open_seconds`. `opaque`: also tokens that are no JWTs are asked about.
    """

    endpoint: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    fields: Fields = dict
    cache_seconds: float = 0
    inactive_seconds: float = 5
    failures: int = 5
    open_seconds: float = 5
    opaque: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        check_url(self.endpoint)


class Introspector:
    """Asks one issuer's endpoint."""

    def __init__(
        self, config: Introspection, *, issuer: str, now: Callable[[], float], seconds_left: SecondsLeft = forever
    ) -> None:
        self._config = config
        self._issuer = issuer
        self._now = now
        self._left = seconds_left
        self._connections = KeptConnections(config.endpoint, config.limits)
        self._breaker = Breaker(failures=config.failures, seconds=config.open_seconds, now=now)
        self._headers = _headers(config)
        self._kept: OrderedDict[bytes, tuple[Claims | None, float]] = OrderedDict()
        self._lock = Lock()
        survive_forks(self)

    def ask(self, token: str, *, fresh: bool) -> Claims:
        """What the issuer says of an active token, completed to the claims of RFC 9068; raises 401 for others, 503 without an answer."""
        key, now = hashlib.sha256(token.encode("utf-8", "replace")).digest(), self._now()
        kept = None if fresh else self._kept.get(key)
        if kept is not None and now < kept[1]:
            claims = kept[0]
        else:
            claims = self._asked(token)
            self._keep(key, claims, now)
        if claims is None:
            raise invalid_token(Check.INACTIVE, "the issuer says that the token is not active")
        presumed = {"iss": self._issuer, "iat": int(now), "exp": int(now) + _PRESUMED_LIFE, "jti": key.hex()[:32]}
        return {**presumed, "sub": claims.get("client_id"), **claims}

    def forget(self) -> None:
        """Something was revoked: no answer of before counts any more."""
        with self._lock:
            self._kept.clear()

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._lock = Lock()

    def _asked(self, token: str) -> Claims | None:
        if self._left() <= 0:
            raise too_late(Check.INTROSPECTION_AWAY)
        wait = self._breaker.wait()
        if wait > 0:
            raise cannot_know(Check.INTROSPECTION_AWAY, "the introspection endpoint failed too often", int(wait) + 1)
        try:
            claims = self._exchange(token)
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            if self._left() <= 0:
                self._breaker.abandoned()
                raise too_late(Check.INTROSPECTION_AWAY) from error
            self._breaker.failed()
            log.warning("%s cannot be asked about a token: %s", self._config.endpoint, error or type(error).__name__)
            raise cannot_know(Check.INTROSPECTION_AWAY, "the introspection endpoint gives no answer") from error
        self._breaker.succeeded()
        return claims

    def _exchange(self, token: str) -> Claims | None:
        form = urlencode({"token": token, "token_type_hint": "access_token", **self._config.fields()})
        status, body = self._connections.post(form.encode("ascii"), self._headers, seconds=self._left())
        if status != 200:
            raise ValueError(f"status {status}")
        told = json.loads(body)
        if not isinstance(told, dict) or not isinstance(told.get("active"), bool):
            raise ValueError("the answer does not say whether the token is active")
        return told if told["active"] else None

    def _keep(self, key: bytes, claims: Claims | None, now: float) -> None:
        seconds = self._config.inactive_seconds if claims is None else self._config.cache_seconds
        if seconds <= 0:
            return
        with self._lock:
            self._kept[key] = (claims, now + seconds)
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)


def _headers(config: Introspection) -> Mapping[str, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if config.client_id is not None:
        pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret or '')}"  # RFC 6749 §2.3.1
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return headers
