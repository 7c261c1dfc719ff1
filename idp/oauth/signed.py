"""JWTs that somebody else signed: which of their keys a header can mean, and whether one of them made the signature (RFC 7515, RFC 8725)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from idp.oauth.remote_keys import RemoteKeys

_SHAPES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "Ed25519": ("OKP", "Ed25519"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS = tuple(_SHAPES)
"""What others may sign with."""
_MALFORMED = (JoseError, ValueError, TypeError, KeyError, RecursionError)
FindKeys = Callable[[str, Any], Iterable[Key]]
"""(alg, kid) -> the keys that such a header can mean."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWT whose signature holds; its claims are not looked at yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def verified(
    token: str, find: FindKeys, *, algorithms: Collection[str], types: Collection[str | None]
) -> Signed | None:
    """The header and claims of a compact JWT signed by one of the keys; None for anything else, however malformed.

    `types` are the accepted values of `typ` in lower case, None where it may be absent (RFC 8725 §3.11). May raise `Unavailable`.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
        alg, typ, kid = header["alg"], header.get("typ"), header.get("kid")
        if alg not in algorithms or (typ.lower() if isinstance(typ, str) else typ) not in types:
            return None
        claims = _signed_by_any(token, find(alg, kid), alg)
    except _MALFORMED:
        return None
    return None if claims is None else Signed(header, claims)


def peek(token: Any) -> Mapping[str, Any] | None:
    """What a compact JWT claims, unverified: to find out whose keys to ask for; None for anything else, however malformed."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload or b"")
    except (AttributeError, *_MALFORMED):
        return None
    return claims if isinstance(claims, dict) else None


def fitting(keys: Iterable[Key], alg: str, kid: Any) -> Iterator[Key]:
    """The named key, or without a `kid` all that fit the algorithm."""
    kty, curve = _SHAPES[alg]
    for key in keys:
        signs = key.key_type == kty and key.get("use", "sig") == "sig" and curve in (None, key.get("crv"))
        if signs and kid in (None, key.kid):
            yield key


def fitting_at(remote: RemoteKeys, url: str, alg: str, kid: Any) -> Iterator[Key]:
    """The same of keys behind a URL. Who runs through all without success has missed one: the URL is fetched again, what is new follows."""
    tried = list(fitting(remote.current(url), alg, kid))
    yield from tried
    yield from (key for key in fitting(remote.renewed(url), alg, kid) if key not in tried)


def _signed_by_any(token: str, keys: Iterable[Key], alg: str) -> Mapping[str, Any] | None:
    for key in keys:
        try:
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[alg]).payload or b"")
        except JoseError:
            continue
        return claims if isinstance(claims, dict) else None
    return None
