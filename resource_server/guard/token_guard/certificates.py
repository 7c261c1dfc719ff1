"""Client certificates: the thumbprint a token is bound to, from the TLS connection or from a proxy that is trusted (RFC 8705 §3)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

_BYTES = re.compile(r":([A-Za-z0-9+/]+={0,2}):")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_MAX_HEADER = 16 * 1024


@dataclass(frozen=True, slots=True)
class CertificateHeader:
    """The header in which proxies at `peers` (addresses or networks) hand on the client's certificate; from others it is not read.

    It holds RFC 9440's byte sequence (`:MII...:`), or PEM, URL-encoded as nginx writes `$ssl_client_escaped_cert`. The proxy must set or
    remove it in every request, so that none of a client's gets through.
    """

    peers: tuple[str, ...]
    name: str = "Client-Cert"
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.peers or not self.name:
            raise ValueError("a certificate header needs a name and the peers it is believed from")
        object.__setattr__(self, "_networks", tuple(ip_network(peer) for peer in self.peers))

    def trusts(self, peer: str | None) -> bool:
        """Whether a connection from this address is from a proxy of ours."""
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        real = getattr(address, "ipv4_mapped", None) or address
        return any(real in network for network in self._networks)

    def thumbprint(self, values: Sequence[str]) -> str | None:
        """The thumbprint of the certificate in the header's fields; None when there is none, or not one that can be read."""
        if len(values) != 1 or len(values[0]) > _MAX_HEADER:
            return None
        value = values[0].strip()
        if not value.startswith(":"):
            return pem_thumbprint(unquote(value))
        found = _BYTES.fullmatch(value)
        return None if found is None else _decoded(found.group(1))


def thumbprint(certificate: bytes) -> str:
    """The `x5t#S256` of a DER certificate (RFC 8705 §3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode("ascii")


def pem_thumbprint(pem: str) -> str | None:
    """The `x5t#S256` of the first certificate of a PEM text; None when there is none."""
    found = _PEM.search(pem)
    return None if found is None else _decoded("".join(found.group(1).split()))


def _decoded(encoded: str) -> str | None:
    try:
        return thumbprint(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error):
        return None
