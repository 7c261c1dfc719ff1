"""The guard: from an Authorization header to a `Principal`, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from token_guard.challenges import BEARER, Offer
from token_guard.checks import Check
from token_guard.errors import GuardError, insufficient_scope, invalid_token, no_token
from token_guard.fetch import FetchJwks, fetch_jwks
from token_guard.issuers import Issuers
from token_guard.jwks_cache import KeysState
from token_guard.presented import credentials_of
from token_guard.principal import Principal
from token_guard.token_cache import VerifiedTokens
from token_guard.trust import IssuerTrust


class Guard:
    """Validates for one API, which trusts one issuer or several.

    `cache_seconds` keeps verified tokens (at most 30 s, never past their end or a change of keys); 0: off. `realm` is named in challenges.
    """

    def __init__(
        self,
        *trusts: IssuerTrust,
        fetch: FetchJwks = fetch_jwks,
        cache_seconds: float = 0,
        realm: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = Issuers(trusts, fetch=fetch, now=now)
        self._verified = VerifiedTokens(cache_seconds) if cache_seconds else None
        self._offer = Offer(realm=realm)
        self._now = now

    def warm(self) -> bool:
        """Fetch the issuers' keys before the first request; whether all are there now."""
        return self._issuers.warm()

    def keys(self) -> Mapping[str, KeysState]:
        """How it stands with the keys, by issuer: for readiness and metrics."""
        return self._issuers.states()

    def authenticate(self, authorization: str | None) -> Principal:
        """Who calls, by the value of the Authorization header; raises `GuardError`."""
        try:
            credentials = credentials_of((authorization,) if authorization else ())
            if credentials.scheme != BEARER:
                raise no_token("another authentication scheme")
            return self.validate(credentials.token)
        except GuardError as error:
            error.offer = self._offer
            raise

    def validate(self, token: str) -> Principal:
        """Who a bearer token speaks for; raises `GuardError`."""
        principal = self._read(token)
        if principal.is_bound:
            raise invalid_token(Check.BINDING, "the token is bound to a key and was presented as a bearer token")
        return principal

    def verify(self, token: str, *, types: frozenset[str]) -> Mapping[str, Any]:
        """The claims of another kind of JWT of a trusted issuer, such as a Security Event Token: only type, issuer and signature."""
        return self._issuers.verify(token, types=types)

    def _read(self, token: str) -> Principal:
        if self._verified is None:
            return self._issuers.read(token)
        generation = self._issuers.generation
        known = self._verified.find(token, generation=generation, now=self._now())
        if known is None:
            known = self._issuers.read(token)
            self._verified.keep(token, known, generation=generation, now=self._now())
        return known

    def require(self, principal: Principal, *, scopes: Iterable[str]) -> None:
        """Raise 403 with the needed scopes unless the caller has them all (RFC 6750 §3.1)."""
        needed = tuple(scopes)
        if not principal.scopes.issuperset(needed):
            error = insufficient_scope(" ".join(needed), "a scope is missing")
            error.offer = self._offer
            raise error
