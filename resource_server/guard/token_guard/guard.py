"""The guard: from an Authorization header to a `Principal`, or a refusal."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from token_guard import validation
from token_guard.errors import insufficient_scope, invalid_request, invalid_token, no_token
from token_guard.fetch import FetchJwks, fetch_jwks
from token_guard.jwks_cache import JwksCache
from token_guard.principal import Principal
from token_guard.trust import IssuerTrust

_MAX_CACHED_SECONDS = 30
_MAX_CACHED = 10_000


class Guard:
    """Validates for one API. `cache_seconds` keeps verified tokens (at most 30 s, never past their end or a change of keys); 0: off."""

    def __init__(self, trust: IssuerTrust, *, fetch: FetchJwks = fetch_jwks, cache_seconds: float = 0) -> None:
        self.trust = trust
        self.keys = JwksCache(trust, fetch)
        self._verified = _VerifiedTokens(min(cache_seconds, _MAX_CACHED_SECONDS)) if cache_seconds else None

    def authenticate(self, authorization: str | None) -> Principal:
        """Who calls, by the value of the Authorization header; raises `GuardError`."""
        return self.validate(bearer_token(authorization))

    def validate(self, token: str) -> Principal:
        """Who a token speaks for; raises `GuardError`."""
        if self._verified is None:
            return self._validate(token)
        known = self._verified.find(token, self.keys.generation)
        if known is None:
            generation = self.keys.generation
            known = self._validate(token)
            self._verified.keep(token, known, generation)
        return known

    def verify(self, token: str, *, types: frozenset[str]) -> Mapping[str, Any]:
        """The claims of another kind of JWT of this issuer, such as a Security Event Token; only signature and issuer are checked."""
        claims = self._signed(token, types)
        if claims.get("iss") != self.trust.issuer:
            raise invalid_token("the issuer is another")
        return claims

    def _validate(self, token: str) -> Principal:
        return validation.check_claims(self._signed(token, validation.ACCESS_TOKEN_TYPES), self.trust, time.time())

    def _signed(self, token: str, types: frozenset[str]) -> Mapping[str, Any]:
        unverified = validation.take_apart(token, types=types, algorithms=self.trust.algorithms)
        issued_at = unverified.claims.get("iat", 0)
        issued = issued_at if isinstance(issued_at, (int, float)) else 0
        key = self.keys.find(unverified.kid, issued)
        if validation.check_signature(token, unverified, key):
            return unverified.claims
        other = self.keys.find_again(unverified.kid, issued, key)
        if other is not None and validation.check_signature(token, unverified, other):
            return unverified.claims
        raise invalid_token("the signature is wrong")

    @staticmethod
    def require(principal: Principal, *, scopes: Iterable[str]) -> None:
        """Raise 403 with the needed scopes unless the caller has them all (RFC 6750 §3.1)."""
        needed = tuple(scopes)
        if not principal.scopes.issuperset(needed):
            raise insufficient_scope(" ".join(needed), "a scope is missing")


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header (RFC 6750 §2.1); raises `GuardError`."""
    if not authorization:
        raise no_token("no Authorization header")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise no_token("another authentication scheme")
    token = token.strip()
    if not token or " " in token or "," in token:
        raise invalid_request("the Authorization header is malformed or repeated")
    return token


class _VerifiedTokens:
    """Tokens that were good a moment ago, by their SHA-256."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._kept: OrderedDict[bytes, tuple[Principal, float, int]] = OrderedDict()

    def find(self, token: str, generation: int) -> Principal | None:
        entry = self._kept.get(_key(token))
        if entry is None or entry[2] != generation or entry[1] <= time.time():
            return None
        return entry[0]

    def keep(self, token: str, principal: Principal, generation: int) -> None:
        until = min(time.time() + self._seconds, principal.expires_at)
        with self._lock:
            self._kept[_key(token)] = (principal, until, generation)
            if len(self._kept) > _MAX_CACHED:
                self._kept.popitem(last=False)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
