"""Grants and keys as the tests of this room need them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization

from idp.platform.ids import new_id
from idp.tokens.values import Grant
from tests.support.clocks import ManualClock

DAY = 86400


def pem(key: Any, password: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    made = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return str(made.decode())


def grant_of(clock: ManualClock, **changes: Any) -> Grant:
    """A grant made now, living a month."""
    values: dict[str, Any] = {
        "id": new_id(clock.precise()),
        "client_id": "app",
        "sub": "alice",
        "sid": "session",
        "scope": "openid read",
        "audiences": ("https://api.test",),
        "offline": False,
        "auth_time": clock.now(),
        "acr": "1fa",
        "amr": ("pwd",),
        "nonce": "the-nonce",
        "created_at": clock.now(),
        "expires_at": clock.now() + 30 * DAY,
    }
    return Grant(**{**values, **changes})
