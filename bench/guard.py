"""What the validation library costs a request, against the bare verification of the library it stands on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from token_guard import Guard, IssuerTrust

_ISSUER, _AUDIENCE = "https://id.example.com", "https://api.example.com"
_RUNS, _EACH = 7, 2000


def validations() -> dict[str, float]:
    """Microseconds of PyJWT's bare verification, of a fresh validation and of a cached one, all of the same ES256 token."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    jwk = {**json.loads(ECAlgorithm.to_jwk(public)), "kid": "k", "alg": "ES256", "use": "sig"}
    now = int(time.time())
    claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "s", "client_id": "s", "jti": "j", "iat": now, "exp": now + 600}
    token = jwt.encode({**claims, "scope": "read"}, key, "ES256", {"typ": "at+jwt", "kid": "k"})
    trust = IssuerTrust(_ISSUER, _AUDIENCE, jwks={"keys": [jwk]})
    fresh, cached = Guard(trust), Guard(trust, cache_seconds=30)

    def bare() -> object:
        return jwt.decode(token, public, ["ES256"], audience=_AUDIENCE, issuer=_ISSUER)

    works = {
        "PyJWT verify us": bare,
        "guard fresh us": lambda: fresh.validate(token),
        "guard cached us": lambda: cached.validate(token),
    }
    return {name: _microseconds(work) for name, work in works.items()}


def _microseconds(work: Callable[[], object]) -> float:
    return min(_timed(work) for _ in range(_RUNS)) / _EACH * 1e6


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(_EACH):
        work()
    return time.perf_counter() - begin
