"""An authority that issues client certificates, and what it issued, as files too."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk

PEM = serialization.Encoding.PEM
LOCALHOST = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)


@dataclass(frozen=True)
class Certified:
    """A key and a certificate of it."""

    key: Any
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def thumbprint(self) -> str:
        return base64.urlsafe_b64encode(self.certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    @property
    def header(self) -> str:
        """As a proxy hands it over by RFC 9440."""
        return f":{base64.b64encode(self.der).decode()}:"

    @property
    def escaped(self) -> str:
        """As nginx hands it over."""
        return quote(self.pem.decode())

    def jwk(self) -> dict[str, Any]:
        """The public key with its certificate (RFC 7517 §4.7)."""
        public = self.key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {**jwk.ECKey.import_key(public).as_dict(), "x5c": [base64.b64encode(self.der).decode()]}

    def files(self, folder: Path) -> tuple[str, str]:
        """Certificate and key as files."""
        stem = secrets.token_hex(4)
        paths = folder / f"{stem}.pem", folder / f"{stem}.key"
        paths[0].write_bytes(self.pem)
        private = self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        paths[1].write_bytes(private)
        return str(paths[0]), str(paths[1])


def certify(
    name: str | x509.Name,
    *,
    by: Certified | None = None,
    authority: bool = False,
    alternatives: Sequence[x509.GeneralName] = (),
    extensions: Sequence[x509.ExtensionType] = (),
    key: Any = None,
    hours: tuple[float, float] = (-1, 1),
) -> Certified:
    """A new certificate, self-signed unless `by` somebody; `hours` from now it begins and ends."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name.from_rfc4514_string(name) if isinstance(name, str) else name
    issuer, signer = (by.certificate.subject, by.key) if by else (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    begin, end = (now + datetime.timedelta(hours=offset) for offset in hours)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Certified(key, builder.sign(signer, hashes.SHA256()))
