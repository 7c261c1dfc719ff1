"""The keys of clients, by value (`jwks`) or by reference (`jwks_uri`, RFC 7591 §2), and what they signed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from idp.oauth.clients import Client
from idp.oauth.remote_keys import RemoteKeys

_SHAPES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "Ed25519": ("OKP", "Ed25519"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS = tuple(_SHAPES)
"""What a client may sign with."""
_MALFORMED = (JoseError, ValueError, TypeError, KeyError, RecursionError)


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWT that one of the client's own keys signed; its claims are not looked at yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


class ClientKeys:
    """Finds the keys of a client, and says what they signed."""

    def __init__(self, remote: RemoteKeys) -> None:
        self._remote = remote

    def verified(
        self, client: Client, token: str, *, algorithms: Collection[str], types: Collection[str | None]
    ) -> Signed | None:
        """The header and claims of a compact JWT signed by the client; None for anything else, however malformed.

        `types` are the accepted values of `typ` in lower case, None where it may be absent (RFC 8725 §3.11). May raise `Unavailable`.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
            alg, typ, kid = header["alg"], header.get("typ"), header.get("kid")
            if alg not in algorithms or (typ.lower() if isinstance(typ, str) else typ) not in types:
                return None
            claims = _signed_by_any(token, self.candidates(client, alg, kid), alg)
        except _MALFORMED:
            return None
        return None if claims is None else Signed(header, claims)

    def candidates(self, client: Client, alg: str, kid: Any) -> Iterator[Key]:
        """The keys that a header can mean, the likely ones first: the named one, or without a `kid` all that fit the algorithm.

        Who runs through all of them without success has missed a key: then a `jwks_uri` is fetched again, and what is new follows.
        """
        if client.jwks_uri is None:
            yield from _fitting(client.jwks.keys if client.jwks else (), alg, kid)
            return
        tried = list(_fitting(self._remote.current(client.jwks_uri), alg, kid))
        yield from tried
        yield from (key for key in _fitting(self._remote.renewed(client.jwks_uri), alg, kid) if key not in tried)


def _fitting(keys: Iterable[Key], alg: str, kid: Any) -> Iterator[Key]:
    kty, curve = _SHAPES[alg]
    for key in keys:
        signs = key.key_type == kty and key.get("use", "sig") == "sig" and curve in (None, key.get("crv"))
        if signs and kid in (None, key.kid):
            yield key


def _signed_by_any(token: str, keys: Iterable[Key], alg: str) -> Mapping[str, Any] | None:
    for key in keys:
        try:
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[alg]).payload or b"")
        except JoseError:
            continue
        return claims if isinstance(claims, dict) else None
    return None
