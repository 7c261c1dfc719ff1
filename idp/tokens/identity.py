"""ID tokens: lean ones for the client, and the hints they come back as (OpenID Connect Core §2, §3.1.2.1)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.tokens import jose
from idp.tokens.keyring import Keyring
from idp.tokens.values import PersonOf, same_person

TYPE = "JWT"
ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")


@dataclass(frozen=True, slots=True)
class IdTokenHint:
    """Whom and whose an ID token of ours named; it may have expired."""

    sub: str
    client_id: str
    sid: str | None
    expires_at: int = 0


ReadHint = Callable[[str], IdTokenHint | None]
"""An `id_token_hint` -> what it says; see `read_hint`."""


def left_half(value: str, alg: str) -> str:
    """`at_hash` of an access token, `c_hash` of a code, `s_hash` of a state: the left half of the hash the algorithm uses.

    OpenID Connect Core §3.1.3.6 and §3.3.2.11, FAPI 1.0 Advanced §5.1.
    """
    hashed = hashlib.sha512(value.encode()) if alg == "Ed25519" else hashlib.sha256(value.encode())
    raw = hashed.digest()
    return base64.urlsafe_b64encode(raw[: len(raw) // 2]).rstrip(b"=").decode("ascii")


def mint_id_token(
    signer: jose.Signer,
    *,
    issuer: str,
    sub: str,
    client_id: str,
    ttl: int,
    now: int,
    hashed: Mapping[str, str],
    extra: Mapping[str, Any],
) -> str:
    """One ID token; `hashed` are the values it vouches for by the claim that does (`at_hash`, `c_hash`, `s_hash`).

    `extra` holds auth_time, nonce, acr, amr, sid and claims that were asked for.
    """
    claims: dict[str, Any] = {**extra, "iss": issuer, "sub": sub, "aud": client_id, "exp": now + ttl, "iat": now}
    claims |= {name: left_half(value, signer.alg) for name, value in hashed.items()}
    return signer.compose(TYPE, claims)


def read_hint(token: str, keyring: Keyring, issuer: str, person_of: PersonOf = same_person) -> IdTokenHint | None:
    """What an `id_token_hint` says, expired or not; None for anything that is not an ID token of ours. Its `sub` is the person.

    An access token is none, nor is anything else we sign for a client: only an ID token tells when the person logged in. Its key may have
    retired meanwhile: apps keep ID tokens longer than we publish keys.
    """
    verified = jose.verify(token, lambda kid: keyring.verifier(kid) or keyring.retired(kid), types={"jwt"})
    if verified is None or verified.claims.get("iss") != issuer:
        return None
    sub, audience, sid, expires_at = (verified.claims.get(name) for name in ("sub", "aud", "sid", "exp"))
    if not isinstance(sub, str) or not isinstance(audience, str) or not isinstance(expires_at, int):
        return None
    if "client_id" in verified.claims or "auth_time" not in verified.claims:
        return None
    return IdTokenHint(person_of(audience, sub), audience, sid if isinstance(sid, str) else None, expires_at)
