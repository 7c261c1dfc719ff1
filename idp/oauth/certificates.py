"""Client certificates (RFC 8705): their thumbprints, whether a chain leads to an authority of ours, and whom they name."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.remote_keys import MIN_RSA_BITS
from idp.platform.http import ClientCertificate

_MALFORMED = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)
"""What a certificate that is none may raise when one looks inside."""
_NAMES = {
    "E": x509.NameOID.EMAIL_ADDRESS,
    "emailAddress": x509.NameOID.EMAIL_ADDRESS,
    "serialNumber": x509.NameOID.SERIAL_NUMBER,
    "organizationIdentifier": x509.NameOID.ORGANIZATION_IDENTIFIER,
    "businessCategory": x509.NameOID.BUSINESS_CATEGORY,
    "title": x509.NameOID.TITLE,
}
"""Attribute names that others write in distinguished names beside those of RFC 4514 §3; dotted object identifiers do for all."""


def thumbprint(certificate: ClientCertificate) -> str:
    """`x5t#S256` of a certificate (RFC 8705 §3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate.der).digest()).rstrip(b"=").decode("ascii")


def parsed(certificate: ClientCertificate) -> x509.Certificate | None:
    """The certificate as a value; None for bytes that are none."""
    try:
        return x509.load_der_x509_certificate(certificate.der)
    except _MALFORMED:
        return None


def distinguished_name(text: str) -> x509.Name | None:
    """The name that a text of RFC 4514 writes; None for anything else, and for the empty name, which is nobody's."""
    try:
        return x509.Name.from_rfc4514_string(text, _NAMES) if text else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Authorities:
    """Verifies chains of client certificates against authorities of the operator's choice (RFC 8705 §2.1, RFC 5280 §6)."""

    clock: Clock
    store: verification.Store

    @classmethod
    def read(cls, path: Path, clock: Clock) -> Authorities:
        """The authorities in a PEM file, intermediate ones too; raises `Refused`."""
        try:
            return cls(clock, verification.Store(x509.load_pem_x509_certificates(path.read_bytes())))
        except (OSError, ValueError) as error:
            raise Refused("tls", f"{path} holds no certificates that can be read") from error

    def vouch_for(self, certificate: x509.Certificate) -> bool:
        """Whether it is a certificate for clients, valid now, with a strong key, that one of the authorities issued."""
        policy = PolicyBuilder().store(self.store).time(datetime.fromtimestamp(self.clock.now(), UTC))
        verifier = policy.extension_policies(ca_policy=_AUTHORITY, ee_policy=_CLIENT).build_client_verifier()
        try:
            verifier.verify(certificate, [])
            key = certificate.public_key()
        except (verification.VerificationError, *_MALFORMED):
            return False
        return not isinstance(key, RSAPublicKey) or key.key_size >= MIN_RSA_BITS


def _is_authority(_policy: verification.Policy, _certificate: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise ValueError("not an authority")


def _is_for_clients(
    _policy: verification.Policy, _certificate: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    if found is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in found:
        raise ValueError("not for clients")


def _signs(_policy: verification.Policy, _certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.digital_signature:
        raise ValueError("not for signatures")


_AUTHORITY = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
_CLIENT = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_for_clients)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
)
"""What certificates of clients and of their authorities must say; private authorities seldom follow the web's rules to the letter."""


_Names = Callable[[x509.SubjectAlternativeName, str], bool]
_ALTERNATIVES: Mapping[str, _Names] = {
    "tls_client_auth_san_dns": lambda names, wanted: any(
        name.lower() == wanted.lower() for name in names.get_values_for_type(x509.DNSName)
    ),
    "tls_client_auth_san_uri": lambda names, wanted: (
        wanted in names.get_values_for_type(x509.UniformResourceIdentifier)
    ),
    "tls_client_auth_san_ip": lambda names, wanted: (
        ipaddress.ip_address(wanted) in names.get_values_for_type(x509.IPAddress)
    ),
    "tls_client_auth_san_email": lambda names, wanted: wanted in names.get_values_for_type(x509.RFC822Name),
}
SUBJECT_DN = "tls_client_auth_subject_dn"
SUBJECTS = (SUBJECT_DN, *_ALTERNATIVES)
"""The client metadata of which one says whom its certificate names (RFC 8705 §2.1.2)."""


def names(certificate: x509.Certificate, member: str, wanted: str) -> bool:
    """Whether a certificate names the subject that a client registered under this member; the value was checked then."""
    try:
        if member == SUBJECT_DN:
            return certificate.subject == distinguished_name(wanted)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return _ALTERNATIVES[member](found, wanted)
    except (x509.ExtensionNotFound, *_MALFORMED):
        return False
