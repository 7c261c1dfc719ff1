"""base64url without padding (RFC 7515 §2), without the layers that the standard library puts around it: every token needs it three times."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def encode(raw: bytes) -> bytes:
    """The bytes in the URL-safe alphabet (RFC 4648 §5)."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE)


def decode(text: str) -> bytes:
    """The bytes of this, their one spelling; raises `ValueError` for any other: padding, foreign characters, bits left over (RFC 4648 §3.5)."""
    given = text.encode("ascii")
    raw = a2b_base64(given.translate(_STANDARD) + b"=" * (-len(given) % 4))
    if encode(raw) != given:
        raise ValueError("not the one spelling of these bytes")
    return raw
