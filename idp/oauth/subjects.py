"""The subject identifier each client sees: the public one, or one of its sector's own (OpenID Connect Core §8).

Pairwise identifiers are the public ones encrypted under the master key for the sector (AES-SIV, RFC 5297): the same every time, telling
nobody else anything, and readable by us when they come back in tokens and hints.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from idp.oauth.clients import Client
from idp.platform.secrets import MasterKey

_PURPOSE = "pairwise-subject"
FindClient = Callable[[str], Client | None]


class Subjects:
    """Translates between people and what clients call them."""

    def __init__(self, master: MasterKey, issuer: str, find_client: FindClient) -> None:
        self._cipher = AESSIV(master.derive(_PURPOSE))
        self._issuer = issuer
        self._find_client = find_client

    def seen_by(self, client: Client, sub: str) -> str:
        """The `sub` of a person in ID tokens, userinfo and logout tokens of a client."""
        if client.sector is None:
            return sub
        sealed = self._cipher.encrypt(sub.encode(), [client.sector.encode()])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def in_token_for(self, audience: str, client: Client, sub: str) -> str:
        """The `sub` in an access token: what the client sees where the token is for ourselves, the public one for every API."""
        return self.seen_by(client, sub) if audience == self._issuer else sub

    def person_of(self, client_id: str, seen: str) -> str:
        """The person a client means by a `sub`; empty when it is none of its sector's."""
        client = self._find_client(client_id)
        if client is None or client.sector is None:
            return seen
        try:
            sealed = base64.b64decode(seen + "=" * (-len(seen) % 4), altchars=b"-_", validate=True)
            return self._cipher.decrypt(sealed, [client.sector.encode()]).decode()
        except (InvalidTag, binascii.Error, ValueError):
            return ""
