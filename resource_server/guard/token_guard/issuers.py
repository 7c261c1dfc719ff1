"""The issuers an API trusts, each with its keys: from the text of a token to the caller it speaks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from token_guard.checks import Check
from token_guard.claims import read_claims
from token_guard.errors import cannot_know, invalid_token
from token_guard.fetch import FetchJwks
from token_guard.flights import SecondsLeft, forever
from token_guard.introspection import Introspector
from token_guard.jwks_cache import JwksCache, KeysState
from token_guard.principal import Principal
from token_guard.trust import IssuerTrust
from token_guard.validation import MAX_TOKEN, Unverified, check_header, is_signed, take_apart


class Issuers:
    """Reads tokens of any of several issuers by the trust in exactly that one."""

    def __init__(
        self,
        trusts: Sequence[IssuerTrust],
        *,
        fetch: FetchJwks,
        now: Callable[[], float],
        seconds_left: SecondsLeft = forever,
    ) -> None:
        self._trusts = {trust.issuer: trust for trust in trusts}
        if not trusts or len(self._trusts) != len(trusts):
            raise ValueError("name at least one issuer, and each once")
        self._keys = {trust.issuer: JwksCache(trust, fetch, now, seconds_left=seconds_left) for trust in trusts}
        self._askers = {
            trust.issuer: Introspector(trust.introspection, issuer=trust.issuer, now=now, seconds_left=seconds_left)
            for trust in trusts
            if trust.introspection is not None
        }
        self._asks_opaque = next((one for one in trusts if one.introspection and one.introspection.opaque), None)
        self._now = now

    @property
    def generation(self) -> int:
        """A number that rises when any issuer's keys change."""
        return sum(keys.generation for keys in self._keys.values())

    def warm(self) -> bool:
        """Fetch every issuer's keys; whether all are there."""
        warmed = [keys.warm() for keys in self._keys.values()]  # each is fetched, whatever becomes of the one before it
        return all(warmed)

    def states(self) -> Mapping[str, KeysState]:
        """How it stands with the keys, by issuer."""
        return {issuer: keys.state() for issuer, keys in self._keys.items()}

    def read(self, token: str) -> Principal:
        """The caller of an access token; raises `GuardError`. Claims come before keys: what no key could save asks for none."""
        unverified = take_apart(token=token)
        trust = self._trust(unverified.claims)
        check_header(header=unverified.header, types=trust.types, algorithms=trust.algorithms)
        principal = read_claims(claims=unverified.claims, trust=trust, now=self._now())
        self._check_signature(unverified, trust, principal.issued_at)
        return principal

    def ask(self, token: str, *, fresh: bool) -> Principal:
        """The caller of a token that says nothing itself, by what the issuer says of it (RFC 7662); raises `GuardError`."""
        trust = self._asks_opaque
        if trust is None:
            raise invalid_token(Check.SHAPE, "the token is no JWT")
        claims = self._askers[trust.issuer].ask(token, fresh=fresh)
        return read_claims(claims=claims, trust=trust, now=self._now())

    def confirm(self, token: str, issuer: str) -> None:
        """That the issuer itself, asked now, says that the token is active; raises `GuardError`."""
        asker = self._askers.get(issuer)
        if asker is None:
            raise cannot_know(Check.INTROSPECTION_AWAY, "there is no introspection endpoint to ask")
        asker.ask(token, fresh=True)

    def forget_answers(self) -> None:
        """Something was revoked: what issuers said of tokens before does not count any more."""
        for asker in self._askers.values():
            asker.forget()

    def verify(
        self, token: str, *, types: frozenset[str], issuer: str | None = None, max_length: int = MAX_TOKEN
    ) -> Mapping[str, Any]:
        """The claims of another kind of JWT of a trusted issuer: type, issuer and signature are checked; raises `GuardError`.

        `issuer` is who must have signed a token that need not name its issuer.
        """
        unverified = take_apart(token=token, max_length=max_length)
        trust = self._trust({"iss": issuer, **unverified.claims})
        if issuer is not None and trust.issuer != issuer:
            raise invalid_token(Check.ISSUER, "it is signed by another issuer")
        check_header(header=unverified.header, types=types, algorithms=trust.algorithms)
        issued = unverified.claims.get("iat", 0)
        self._check_signature(unverified, trust, issued if isinstance(issued, (int, float)) else 0)
        return unverified.claims

    def forget_key(self, issuer: str, kid: str, told_at: float) -> None:
        """A key was revoked, as was told then: nothing it signed is believed any more."""
        if issuer in self._keys:
            self._keys[issuer].forget(kid, told_at)

    def _trust(self, claims: Mapping[str, Any]) -> IssuerTrust:
        named = claims.get("iss")
        trust = self._trusts.get(named) if isinstance(named, str) else None
        if trust is None:
            raise invalid_token(Check.ISSUER, f"the issuer {named!r} is not trusted"[:200])
        return trust

    def _check_signature(self, unverified: Unverified, trust: IssuerTrust, issued_at: float) -> None:
        keys = self._keys[trust.issuer]
        key = keys.find(unverified.kid, issued_at)
        if is_signed(unverified=unverified, key=key):
            return
        other = keys.find_again(unverified.kid, issued_at, key)
        if other is None or not is_signed(unverified=unverified, key=other):
            raise invalid_token(Check.SIGNATURE, "the signature is wrong")
