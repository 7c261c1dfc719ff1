"""A client's certificate, and whether its tokens are bound to keys of its own (RFC 8705 §2.1.2, §3.4, RFC 9449 §5.2)."""

from __future__ import annotations

import ipaddress
from typing import Any

from idp.oauth import response_types
from idp.oauth.certificates import SUBJECT_DN, SUBJECTS, distinguished_name
from idp.oauth.registration.face import Concern, Kind, Metadata, flag, refuse, string

CERTIFICATE_BOUND = "tls_client_certificate_bound_access_tokens"
_ISSUED, _OWN = "tls_client_auth", "self_signed_tls_client_auth"
CERTIFICATE_METHODS = frozenset({_ISSUED, _OWN})
_BINDINGS = ("dpop_bound_access_tokens", CERTIFICATE_BOUND)


def _filled(value: Any) -> str | None:
    return string(value) or (None if value else "must not be empty")


def _name(value: Any) -> str | None:
    written = string(value) is None and distinguished_name(value) is not None
    return None if written else "must be a distinguished name as RFC 4514 writes it, such as CN=app,O=Company,C=DE"


def _address(value: Any) -> str | None:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return "must be an IP address"
    return string(value)


def _check(metadata: Metadata) -> None:
    _check_subject(metadata)
    for name in _BINDINGS:
        if metadata.get(name) and any(map(response_types.returns_access_token, metadata["response_types"])):
            refuse(f"{name}: an authorization response cannot carry a bound access token")  # nobody proves a key there


def _check_subject(metadata: Metadata) -> None:
    """RFC 8705 §2.1.2: exactly one says whom the certificate names."""
    given = [member for member in SUBJECTS if member in metadata]
    if metadata["token_endpoint_auth_method"] != _ISSUED:
        if given:
            refuse(f"{given[0]} is for tls_client_auth")
    elif len(given) != 1:
        refuse(f"tls_client_auth needs exactly one of {', '.join(SUBJECTS)}")


_KINDS: dict[str, Kind] = {SUBJECT_DN: _name, "tls_client_auth_san_ip": _address}
SENDERS = Concern(
    {**dict.fromkeys(_BINDINGS, flag), **{member: _KINDS.get(member, _filled) for member in SUBJECTS}}, _check
)
