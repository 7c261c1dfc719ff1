"""Encrypting what a client reads for that client alone (RFC 7516): with a key it registered or publishes."""

from __future__ import annotations

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import Key

from idp.errors import ProtocolError
from idp.oauth.client_keys import ClientKeys
from idp.oauth.clients import Client
from idp.oauth.encryption import Encryption, recipient_of


class Sealing:
    """`prepare` may fetch, so never call it within a transaction; `sealed` only uses what was fetched."""

    def __init__(self, keys: ClientKeys) -> None:
        self._keys = keys

    def prepare(self, client: Client, wanted: Encryption | None) -> None:
        """Have the client's key at hand; raises `invalid_request` when it has none that fits, before anything is used up."""
        if wanted is None or recipient_of(self._keys.current(client), wanted.alg) is not None:
            return
        if recipient_of(self._keys.renewed(client), wanted.alg) is None:
            raise _no_key(wanted)

    def sealed(self, client: Client, wanted: Encryption | None, text: str, *, nested: bool = True) -> str:
        """The text as a compact JWE, or as it is where no encryption is wanted; `nested`: it is a JWT itself (RFC 7519 §5.2)."""
        if wanted is None:
            return text
        key = recipient_of(self._keys.seen(client), wanted.alg)
        if key is None:
            raise _no_key(wanted)
        header = {"alg": wanted.alg, "enc": wanted.enc, **_kid(key), **({"cty": "JWT"} if nested else {})}
        try:
            return jwe.encrypt_compact(header, text, key, algorithms=[wanted.alg, wanted.enc])
        except JoseError as error:
            raise _no_key(wanted) from error


def _kid(key: Key) -> dict[str, str]:
    return {"kid": key.kid} if key.kid else {}


def _no_key(wanted: Encryption) -> ProtocolError:
    return ProtocolError("invalid_request", f"The client has no key that fits {wanted.alg}")
