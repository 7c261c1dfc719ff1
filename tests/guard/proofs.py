"""A client that proves what it holds: DPoP proofs by a JOSE library the guard does not use, and by hand where none would."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from token_guard import Guard, IssuerTrust
from token_guard.dpop import Dpop
from token_guard.fetch import Fetched
from token_guard.presented import Presented

from tests.guard.minting import AUDIENCE, ISSUER, FromNow, jwks, signed, token

HOLDER = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
HOLDERS = {
    "ES256": HOLDER,
    "RS256": RSAKey.generate_key(2048),
    "PS256": RSAKey.generate_key(2048),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}
PATH = "/payments"


def bound(key: Any = HOLDER, **changes: Any) -> str:
    """A good token that is bound to the key."""
    return token(**{"cnf": {"jkt": key.thumbprint()}, **changes})


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def proof(
    presented: str, header: Mapping[str, Any] | None = None, key: Any = HOLDER, alg: str = "ES256", **changes: Any
) -> str:
    """A proof for a GET of `PATH` with this token, but for `changes`; None leaves a member out."""
    good = {
        "jti": base64.urlsafe_b64encode(hashlib.sha256(str(time.perf_counter_ns()).encode()).digest()).decode(),
        "htm": "GET",
        "htu": AUDIENCE + PATH,
        "iat": FromNow(0),
        "ath": digest(presented),
    }
    now = int(time.time())
    named = {name: value for name, value in {**good, **changes}.items() if value is not None}
    claims = {name: now + value.seconds if isinstance(value, FromNow) else value for name, value in named.items()}
    members = {"typ": "dpop+jwt", "jwk": key.as_dict(private=False), "kid": None, "alg": alg, **(header or {})}
    return signed(json.dumps(claims).encode(), members, key, alg)


def guard(dpop: Dpop | None = None, **options: Any) -> Guard:
    return Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(), 300), dpop=dpop, **options)


def request(presented: str, *proofs: str, scheme: str = "DPoP", method: str = "GET", path: str = PATH) -> Presented:
    return Presented(authorization=(f"{scheme} {presented}",), proofs=proofs, method=method, path=path)
