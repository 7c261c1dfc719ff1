"""Token Status List (draft-ietf-oauth-status-list-21): one bit or a few for each token, signed by the issuer. Pure functions; nothing is fetched."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from token_guard.claims import is_time

TYPE = "statuslist+jwt"
MEDIA_TYPE = f"application/{TYPE}"
VALID, INVALID, SUSPENDED = 0, 1, 2
_BITS = (1, 2, 4, 8)


class StatusListError(Exception):
    """A document that is not the status list it should be."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """The statuses of tokens by their index; times in epoch seconds, `ttl` in seconds, None where the issuer says nothing (§5.1)."""

    uri: str
    bits: int
    octets: bytes
    issued_at: float
    expires_at: float | None
    ttl: float | None

    def status(self, index: int) -> int:
        """0 is valid, anything else is not (§7.1); raises `IndexError` behind the end."""
        per_octet = 8 // self.bits
        return self.octets[index // per_octet] >> (index % per_octet * self.bits) & ((1 << self.bits) - 1)

    def has_invalid(self, indexes: Iterable[int]) -> bool:
        """Whether all of these are known not to be valid."""
        try:
            return all(self.status(index) != VALID for index in indexes)
        except IndexError:
            return False

    def with_invalid(self, indexes: Iterable[int]) -> StatusList:
        """The same list with these tokens invalid; indexes it does not have are passed over."""
        octets, per_octet = bytearray(self.octets), 8 // self.bits
        for index in indexes:
            place, shift = index // per_octet, index % per_octet * self.bits
            if index >= 0 and place < len(octets):
                octets[place] = octets[place] & ~(((1 << self.bits) - 1) << shift) | INVALID << shift
        return replace(self, octets=bytes(octets))


def read_status_list(*, claims: Mapping[str, Any], uri: str, now: float, skew: float, max_bytes: int) -> StatusList:
    """The list in the claims of a token whose signature was verified (§8.3); raises `StatusListError`. At most `max_bytes` are unpacked."""
    if claims.get("sub") != uri:
        raise StatusListError("it is another list")
    iat, exp, ttl, told = (claims.get(name) for name in ("iat", "exp", "ttl", "status_list"))
    if not is_time(iat) or claims["iat"] > now + skew:
        raise StatusListError("iat is missing or in the future")
    if exp is not None and (not is_time(exp) or exp <= now - skew):
        raise StatusListError("it has expired")
    if ttl is not None and (not is_time(ttl) or ttl == 0):
        raise StatusListError("ttl is not a positive number")
    if not isinstance(told, dict) or told.get("bits") not in _BITS or isinstance(told["bits"], (bool, float)):
        raise StatusListError("bits is none of 1, 2, 4 and 8")
    return StatusList(uri, told["bits"], _unpacked(told.get("lst"), max_bytes), claims["iat"], exp, ttl)


def _unpacked(lst: Any, max_bytes: int) -> bytes:
    """base64url of a ZLIB stream (§4.1), unpacked no further than allowed."""
    if not isinstance(lst, str) or not lst.isascii():
        raise StatusListError("lst is missing or no text")
    try:
        packed = base64.b64decode(lst + "=" * (-len(lst) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj()
        octets = stream.decompress(packed, max_bytes)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise StatusListError("lst is not base64url of a ZLIB stream") from error
    if not stream.eof or stream.unused_data:
        raise StatusListError("lst is too long when unpacked, cut off, or has something behind it")
    return octets
