"""Access tokens: RFC 9068 JWTs, minted by hand from a prepared header, read back strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.clock import Clock
from idp.tokens import jose
from idp.tokens.keyring import Keyring
from idp.tokens.status_list import StatusClaim
from idp.tokens.values import AccessToken, PersonOf, same_person

TYPE = "at+jwt"


def mint_access_token(
    signer: jose.Signer,
    *,
    issuer: str,
    sub: str,
    client_id: str,
    audience: str,
    scope: str,
    ttl: int,
    now: int,
    jti: str,
    status: StatusClaim,
    extra: Mapping[str, Any],
) -> str:
    """One access token (RFC 9068 §2.2) that can be revoked; `extra` holds what a login adds: auth_time, acr, amr, roles."""
    claims = {
        "iss": issuer,
        "sub": sub,
        "aud": audience,
        "exp": now + ttl,
        "iat": now,
        "jti": jti,
        "client_id": client_id,
        "scope": scope,
        "status": status,
        **extra,
    }
    return signer.compose(TYPE, claims)


class AccessTokens:
    """Reads the access tokens we minted."""

    def __init__(self, keyring: Keyring, issuer: str, clock: Clock, person_of: PersonOf = same_person) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._clock = clock
        self._person_of = person_of

    def read(self, token: str) -> AccessToken | None:
        """The token when it is ours, an access token and not expired; whether it is revoked is another question."""
        verified = jose.verify(token, self._keyring.verifier, types={TYPE})
        if verified is None or verified.claims.get("iss") != self._issuer:
            return None
        claims = verified.claims
        if not _is_whole(claims) or claims["exp"] <= self._clock.now():
            return None
        grant_id, _, _ = claims["jti"].partition(".")
        has_grant = "." in claims["jti"]
        pairwise = has_grant and claims["aud"] == self._issuer  # for an API a token always names the public sub
        return AccessToken(
            jti=claims["jti"],
            grant_id=grant_id if has_grant else None,
            sub=self._person_of(claims["client_id"], claims["sub"]) if pairwise else claims["sub"],
            client_id=claims["client_id"],
            audience=claims["aud"],
            scope=claims["scope"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            kid=verified.header["kid"],
            claims=claims,
        )


def _is_whole(claims: Mapping[str, Any]) -> bool:
    """Whether every claim that is read is there and of its type (RFC 9068 §2.2)."""
    texts = (claims.get(name) for name in ("sub", "aud", "jti", "client_id"))
    times = (claims.get(name) for name in ("exp", "iat"))
    return (
        all(isinstance(text, str) and text for text in texts)
        and all(type(time) is int and time >= 0 for time in times)
        and isinstance(claims.get("scope"), str)
    )
