"""The keys of clients, by value (`jwks`) or by reference (`jwks_uri`, RFC 7591 §2), and what they signed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from joserfc.jwk import Key

from idp.oauth import signed
from idp.oauth.clients import Client
from idp.oauth.remote_keys import RemoteKeys


class ClientKeys:
    """Finds the keys of a client, and says what they signed."""

    def __init__(self, remote: RemoteKeys) -> None:
        self._remote = remote

    def verified(
        self, client: Client, token: str, *, algorithms: Collection[str], types: Collection[str | None]
    ) -> signed.Signed | None:
        """The header and claims of a compact JWT that the client signed; None for anything else (see `signed.verified`)."""
        return signed.verified(token, partial(self.candidates, client), algorithms=algorithms, types=types)

    def current(self, client: Client) -> tuple[Key, ...]:
        """All keys of the client; those of a `jwks_uri` are fetched when they are old."""
        return self._remote.current(client.jwks_uri) if client.jwks_uri else _registered(client)

    def renewed(self, client: Client) -> tuple[Key, ...]:
        """The same after one was missed."""
        return self._remote.renewed(client.jwks_uri) if client.jwks_uri else _registered(client)

    def seen(self, client: Client) -> tuple[Key, ...]:
        """The same without fetching anything."""
        return self._remote.seen(client.jwks_uri) if client.jwks_uri else _registered(client)

    def candidates(self, client: Client, alg: str, kid: Any) -> Iterator[Key]:
        """The keys that a header can mean, the likely ones first; a `jwks_uri` is fetched again when none of them is it."""
        if client.jwks_uri is not None:
            return signed.fitting_at(self._remote, client.jwks_uri, alg, kid)
        return signed.fitting(_registered(client), alg, kid)

    def certificates(self, client: Client) -> Iterator[bytes]:
        """The certificates (DER) of the client's keys, each the first of its `x5c` (RFC 7517 §4.7); a `jwks_uri` as in `candidates`."""
        if client.jwks_uri is None:
            yield from _certificates(_registered(client))
            return
        yield from _certificates(self._remote.current(client.jwks_uri))
        yield from _certificates(self._remote.renewed(client.jwks_uri))


def _registered(client: Client) -> tuple[Key, ...]:
    return tuple(client.jwks.keys) if client.jwks else ()


def _certificates(keys: Iterable[Key]) -> Iterator[bytes]:
    for key in keys:
        chain = key.get("x5c")
        if isinstance(chain, list) and chain and isinstance(chain[0], str):
            with suppress(binascii.Error, ValueError):
                yield base64.b64decode(chain[0], validate=True)
