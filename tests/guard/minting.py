"""An issuer in the test's hand: it signs whatever it is told to, through a JOSE library the guard does not use."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from token_guard import Guard, IssuerTrust
from token_guard.fetch import Fetched

ISSUER, AUDIENCE = "https://id.test", "https://api.test"
EC = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256", "use": "sig"})
PSS = RSAKey.generate_key(2048, {"kid": "pss", "alg": "PS256", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "Ed25519", "use": "sig"})
STRANGER = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"})
_REGISTRY = jws.JWSRegistry(algorithms=["RS256", "PS256", "Ed25519"])


@dataclass(frozen=True, slots=True)
class FromNow:
    """Seconds from when the token is minted; parameters of tests are made long before."""

    seconds: int


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys or (EC, RSA, PSS, ED)]}).encode()


def guard(**trust: Any) -> Guard:
    """A guard whose keys are at hand."""
    return Guard(IssuerTrust(ISSUER, AUDIENCE, **trust), fetch=lambda _trust: Fetched(jwks(), 300))


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, but for `changes`; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "sub": "person-1",
        "aud": AUDIENCE,
        "exp": now + 300,
        "iat": now,
        "jti": "token-1",
        "client_id": "app",
        "scope": "read write",
    }
    named = {name: value for name, value in {**good, **changes}.items() if value is not None}
    return {name: now + value.seconds if isinstance(value, FromNow) else value for name, value in named.items()}


def token(header: Mapping[str, Any] | None = None, key: Any = EC, **changes: Any) -> str:
    """A signed token; `header` overrides members of the header, None leaves one out."""
    return signed(json.dumps(claims(**changes)).encode(), header, key)


def signed(payload: bytes, header: Mapping[str, Any] | None = None, key: Any = EC, alg: str | None = None) -> str:
    named = alg or key.get("alg")
    members = {"typ": "at+jwt", "alg": named, "kid": key.get("kid"), **(header or {})}
    kept = {name: value for name, value in members.items() if value is not None}
    if named == "ES256":
        return by_hand(json.dumps(kept).encode(), payload, lambda text: ecdsa(key, text))
    return jws.serialize_compact(kept, payload, key, registry=_REGISTRY)


def by_hand(header: bytes, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A token whose header no JOSE library would write."""
    unsigned = raw(header, payload, b"").rstrip(".")
    return f"{unsigned}.{_encoded(sign(unsigned.encode()))}"


def ecdsa(key: Any, text: bytes) -> bytes:
    r, s = decode_dss_signature(key.private_key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def raw(header: bytes, payload: bytes, signature: bytes = b"x" * 64) -> str:
    """Three parts as they are."""
    return ".".join(map(_encoded, (header, payload, signature)))
