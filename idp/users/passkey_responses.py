"""What a browser sends after it asked for a passkey, taken apart before anything in it is believed (WebAuthn Level 3 §5.1).

Everything has its type and its bounds here; whether it is true is asked later.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from idp.errors import ProtocolError, Refused
from idp.marked import N_
from idp.platform.forms import parse_json

MAX_RESPONSE = 16 * 1024
_MAX_CREDENTIAL = 1023
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+\Z")
_TRANSPORTS = frozenset({"ble", "hybrid", "internal", "nfc", "smart-card", "usb"})
Ceremony = Literal["create", "get"]
_PARTS: Mapping[Ceremony, tuple[str, ...]] = {
    "create": ("clientDataJSON", "attestationObject"),
    "get": ("clientDataJSON", "authenticatorData", "signature"),
}


@dataclass(frozen=True, slots=True)
class PasskeyResponse:
    """An answer of the right shape: its parts in base64url, and what is read of it first.

    `handle` is what the passkey says of whom it is for; `transports` are the ways to reach it, those we know.
    """

    credential: bytes
    challenge: str
    handle: bytes | None
    transports: tuple[str, ...]
    document: Mapping[str, Any]


def read(text: str, ceremony: Ceremony) -> PasskeyResponse:
    """The answer to a `create` or a `get`; raises `Refused` for whatever has not its shape."""
    try:
        return _read(text, ceremony)
    except (ProtocolError, ValueError, TypeError, KeyError) as error:
        raise Refused("passkey", N_("this is not the answer of a passkey"), detail=type(error).__name__) from error


def to_base64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """What `to_base64url` made; raises `ValueError` or `TypeError` for anything else."""
    if _BASE64URL.match(text) is None:
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _read(text: str, ceremony: Ceremony) -> PasskeyResponse:
    if len(text) > MAX_RESPONSE:
        raise ValueError("too long")
    sent = parse_json(text)
    answer, credential = sent["response"], from_base64url(sent["id"])
    if sent["type"] != "public-key" or sent["rawId"] != sent["id"] or len(credential) > _MAX_CREDENTIAL:
        raise ValueError("not a public key credential")
    parts = {name: answer[name] for name in _PARTS[ceremony]}
    client = parse_json({name: from_base64url(part) for name, part in parts.items()}["clientDataJSON"])
    if client["type"] != f"webauthn.{ceremony}" or client.get("crossOrigin") not in (None, False):
        raise ValueError("another ceremony, or in a frame of another site")
    handle, transports = answer.get("userHandle"), answer.get("transports")
    return PasskeyResponse(
        credential=credential,
        challenge=_text(client["challenge"]),
        handle=None if handle is None else from_base64url(handle),
        transports=tuple(sorted(_TRANSPORTS.intersection(map(_text, transports or ())))),
        document={"id": sent["id"], "rawId": sent["id"], "type": "public-key", "response": parts},
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
