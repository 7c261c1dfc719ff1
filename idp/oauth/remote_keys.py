"""Key sets that others publish at a URL (RFC 7517 §5): cached, refetched when a key is missed, kept for a while when their host is away."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from idp.clock import Clock
from idp.errors import ProtocolError
from idp.oauth.fetched import Fetch, Fetched, Limits
from idp.platform.forms import parse_json
from vetted_http import Response

FRESH, STALE, RETRY = 300, 86400, 10
LIMITS = Limits(fresh=FRESH, stale=STALE, retry=RETRY, kept=1_000, waiting=16)
MAX_KEYS, MIN_RSA_BITS = 32, 2048
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


class RemoteKeys:
    """The key sets behind any number of URLs; empty where there are none to be had."""

    def __init__(self, fetch: Fetch, clock: Clock, limits: Limits = LIMITS) -> None:
        self._sets = Fetched(fetch, _read, clock, limits)

    def current(self, url: str) -> tuple[Key, ...]:
        """The keys as last seen, fetched when they are old."""
        return self._sets.current(url) or ()

    def renewed(self, url: str) -> tuple[Key, ...]:
        """The keys after one was missed: fetched again, unless that was done a moment ago."""
        return self._sets.renewed(url) or ()

    def seen(self, url: str) -> tuple[Key, ...]:
        """The keys as last seen, without any fetch."""
        return self._sets.seen(url) or ()


def _read(response: Response) -> tuple[Key, ...]:
    """The public keys of a JWK Set; what cannot be used is passed over (RFC 7517 §5). Raises `ValueError` for what is no key set."""
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    try:
        document = parse_json(response.body)
    except ProtocolError as error:
        raise ValueError("not JSON") from error
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise ValueError(f"not a set of at most {MAX_KEYS} keys")
    return tuple(key for one in found if (key := _public_key(one)) is not None)


def _public_key(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or PRIVATE_MEMBERS & jwk.keys():
        return None
    try:
        key = JWKRegistry.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if is_weak(key) else key


def is_weak(key: Key) -> bool:
    """Whether it is an RSA key too short to prove anything (RFC 7518 §3.3)."""
    return isinstance(key.raw_value, RSAPublicKey) and key.raw_value.key_size < MIN_RSA_BITS
