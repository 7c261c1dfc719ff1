"""base64url without padding (RFC 7515 §2), without the layers that the standard library puts around it: every token needs it three times."""

from __future__ import annotations

from binascii import b2a_base64

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def encode(raw: bytes) -> bytes:
    """The bytes in the URL-safe alphabet (RFC 4648 §5)."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE)
