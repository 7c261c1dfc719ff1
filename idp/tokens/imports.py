"""Reading private keys that come from outside: PEM or a private JWK, strong enough, for one algorithm."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.errors import Refused
from idp.tokens.jose import PrivateKey

MIN_RSA_BITS = 2048
_JWK_TYPES: Mapping[str, type[ECKey | RSAKey | OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}


def read_private_key(text: str, alg: str | None) -> tuple[str, PrivateKey]:
    """The algorithm and the key; raises `Refused` for anything that is not a private key we may sign with."""
    key = _from_jwk(text) if text.lstrip().startswith("{") else _from_pem(text.encode())
    found = _algorithm(key, alg)
    if alg is not None and alg != found:
        raise Refused("alg", f"this is a key for {found}, not for {alg}")
    if not isinstance(key, PrivateKey):
        raise Refused("key", "this is not a key we can sign with")
    return found, key


def _from_pem(pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("key", "this is not an unencrypted private key in PEM") from error


def _from_jwk(text: str) -> object:
    try:
        document = json.loads(text)
        imported = _JWK_TYPES[document["kty"]].import_key(document)
        if not imported.is_private:
            raise Refused("key", "this JWK has no private part")
        return _from_pem(imported.as_pem(private=True))
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("key", "this is not a private JWK of a type we sign with") from error


def _algorithm(key: object, wanted: str | None) -> str:
    match key:
        case rsa.RSAPrivateKey():
            if key.key_size < MIN_RSA_BITS:
                raise Refused("key", f"an RSA key needs at least {MIN_RSA_BITS} bits")
            return "PS256" if wanted == "PS256" else "RS256"
        case ec.EllipticCurvePrivateKey():
            if not isinstance(key.curve, ec.SECP256R1):
                raise Refused("key", "an EC key must be on the curve P-256")
            return "ES256"
        case ed25519.Ed25519PrivateKey():
            return "Ed25519"
    raise Refused("key", "this is not a key we can sign with")
