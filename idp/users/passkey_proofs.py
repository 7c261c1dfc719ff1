"""Whether the answer of a passkey is true (WebAuthn Level 3 §7.1, §7.2): the library `webauthn`, and what it leaves to its callers.

Loaded with the first passkey: starting the server loads none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, parse_attestation_object
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import AttestationFormat, CredentialDeviceType

from idp.errors import Refused
from idp.marked import N_
from idp.users.passkey_responses import PasskeyResponse, from_base64url
from idp.users.passkeys import NewPasskey, Passkey, Seen

ALGORITHMS = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
_FORMATS = frozenset({AttestationFormat.NONE, AttestationFormat.PACKED})
"""Browsers make every other statement into `none`, as they were asked to, but for a key's signature over itself (§5.1.3)."""
_MIN_RSA_BITS = 2048
_FAULTS = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def registered(response: PasskeyResponse, *, rp_id: str, origin: str) -> NewPasskey:
    """The new passkey, made with the person verified; raises `Refused`."""
    try:
        return _registered(response, rp_id, origin)
    except _FAULTS as error:
        raise _untrue(error) from error


def used(response: PasskeyResponse, passkey: Passkey, *, rp_id: str, origin: str, verified: bool) -> Seen:
    """What the authenticator says, when this passkey signed it; `verified`: the person must have been. Raises `Refused`."""
    try:
        return _used(response, passkey, rp_id, origin, verified)
    except _FAULTS as error:
        raise _untrue(error) from error


def _registered(response: PasskeyResponse, rp_id: str, origin: str) -> NewPasskey:
    document = dict(response.document)
    _check_statement(document["response"])
    found = verify_registration_response(
        credential=document,
        expected_challenge=from_base64url(response.challenge),
        expected_rp_id=rp_id,
        expected_origin=origin,
        require_user_verification=True,
        supported_pub_key_algs=list(ALGORITHMS),
    )
    if found.credential_id != response.credential:
        raise ValueError("the passkey has another id")
    _check_key(found.credential_public_key)
    return NewPasskey(
        credential=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        transports=response.transports,
        backup_eligible=found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=found.credential_backed_up,
    )


def _used(response: PasskeyResponse, passkey: Passkey, rp_id: str, origin: str, verified: bool) -> Seen:
    found = verify_authentication_response(
        credential=dict(response.document),
        expected_challenge=from_base64url(response.challenge),
        expected_rp_id=rp_id,
        expected_origin=origin,
        credential_public_key=passkey.public_key,
        credential_current_sign_count=0,  # one that goes back is told apart from a wrong signature, by the caller
        require_user_verification=verified,
    )
    eligible = found.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    if eligible is not passkey.backup_eligible:
        raise ValueError("whether it may be copied never changes")
    return Seen(found.new_sign_count, eligible, found.credential_backed_up, found.user_verified)


def _check_statement(parts: Mapping[str, Any]) -> None:
    """No certificates are read: none were asked for."""
    attested = parse_attestation_object(from_base64url(parts["attestationObject"]))
    if attested.fmt not in _FORMATS or attested.att_stmt.x5c:
        raise ValueError("an attestation that was not asked for")


def _check_key(cose: bytes) -> None:
    """The library looks at the key with the first signature; a key that cannot sign in must not come in."""
    decoded = decode_credential_public_key(cose)
    key = decoded_public_key_to_cryptography(decoded)
    match decoded.alg:
        case COSEAlgorithmIdentifier.ECDSA_SHA_256:
            fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        case COSEAlgorithmIdentifier.EDDSA:
            fits = isinstance(key, Ed25519PublicKey)
        case _:
            fits = isinstance(key, RSAPublicKey) and key.key_size >= _MIN_RSA_BITS
    if not fits:
        raise ValueError("the key does not fit its algorithm")


def _untrue(error: Exception) -> Refused:
    return Refused("passkey", N_("the passkey could not be checked"), detail=f"{type(error).__name__}: {error}")
