"""Ids that say what they are of and when it was made: a prefix and a UUIDv7 in base32 (RFC 9562 §5.7)."""

from __future__ import annotations

import base64
import secrets
import time


def new_id(prefix: str) -> str:
    """Such as `pay_...`; ids of one kind sort by creation."""
    milliseconds = int(time.time() * 1000).to_bytes(6, "big")
    raw = bytearray(milliseconds + secrets.token_bytes(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return f"{prefix}_{base64.b32hexencode(bytes(raw)).decode('ascii').rstrip('=').lower()}"
