"""Comparing a presented client secret with the digests at rest."""

from __future__ import annotations

import hmac
import time

from idp.oauth.client_auth.face import Presented
from idp.oauth.clients import Client
from idp.platform.ids import digest


def holds(client: Client, presented: Presented) -> bool:
    """Whether this is one of the client's living secrets, compared in constant time."""
    given = digest(presented.proof)
    return any(
        hmac.compare_digest(secret.digest, given)
        for secret in client.secrets
        if not secret.expires_at or secret.expires_at > time.time()
    )
