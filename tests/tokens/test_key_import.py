"""Private keys from outside: what is no strong private key of a kind we sign with is refused with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519

from idp.errors import Refused
from idp.tokens.imports import read_private_key
from tests.tokens import vectors
from tests.tokens.support import pem


def public(key: Any) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(raw.decode())


P256 = ec.generate_private_key(ec.SECP256R1())
BAD_KEYS = {
    "nothing": "",
    "words": "not a key",
    "an empty object": "{}",
    "broken JSON": "{",
    "deep JSON": '{"kty":' + "[" * 100_000,
    "an empty PEM": "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    "a cut PEM": pem(P256)[:-60],
    "an encrypted PEM": pem(P256, b"secret"),
    "a public PEM": public(P256),
    "a public JWK": json.dumps({name: value for name, value in vectors.A3_KEY.items() if name != "d"}),
    "a shared secret": json.dumps({"kty": "oct", "k": "A" * 43}),
    "an unknown type": json.dumps({**vectors.A3_KEY, "kty": "XX"}),
    "a type that is no word": json.dumps({**vectors.A3_KEY, "kty": []}),
    "numbers that do not fit": json.dumps({**vectors.A3_KEY, "x": "AAAA"}),
    "a private part of another key": json.dumps({**vectors.A3_KEY, "d": "A" * 42 + "E"}),
    "RSA with 1024 bits": pem(rsa.generate_private_key(65537, 1024)),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1())),
    "P-521": pem(ec.generate_private_key(ec.SECP521R1())),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1())),
    "Ed448": pem(ed448.Ed448PrivateKey.generate()),
    "X25519": pem(x25519.X25519PrivateKey.generate()),
}


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("name", BAD_KEYS)
def test_what_is_no_strong_private_key_is_refused(name: str) -> None:
    with pytest.raises(Refused) as raised:
        read_private_key(BAD_KEYS[name], None)
    assert raised.value.description
    assert "A" * 42 not in str(raised.value)
