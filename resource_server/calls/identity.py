"""A service as others know it: a key of its own, with which it proves itself to the issuer and says to other services for whom it acts."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONTEXT = "context+jwt"
"""`typ` of what a service says itself; no issuer's token has it."""
_ALGORITHM = "EdDSA"
_SECONDS = 60


class ServiceKey:
    """The key of the service that is `client_id` at the issuer; `others` sign nothing, and are known to whoever verifies while keys change."""

    algorithm = _ALGORITHM

    def __init__(
        self,
        client_id: str,
        private: Ed25519PrivateKey,
        others: Iterable[Ed25519PrivateKey] = (),
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.client_id = client_id
        self._private = private
        self._now = now
        self._public = [_public_jwk(key) for key in (private, *others)]
        self._kid = self._public[0]["kid"]

    def jwks(self) -> Mapping[str, Any]:
        """Its public half, and those of the others, as a set (RFC 7517 §5)."""
        return {"keys": self._public}

    def assertion(self, issuer: str) -> str:
        """Proves the service to the issuer (RFC 7523 §2.2)."""
        return self._signed("client-authentication+jwt", {"sub": self.client_id, "aud": issuer})

    def context(
        self, audience: str, scope: str, *, subject: str | None = None, details: Sequence[Mapping[str, Any]] = ()
    ) -> str:
        """Says to one other service, for a minute, what this one wants of it, and for whom; None: for itself."""
        claims: dict[str, Any] = {"sub": subject or self.client_id, "aud": audience, "scope": scope}
        if subject is not None:
            claims["act"] = {"sub": self.client_id}
        if details:
            claims["authorization_details"] = list(details)
        return self._signed(CONTEXT, {**claims, "client_id": self.client_id})

    def _signed(self, kind: str, claims: Mapping[str, Any]) -> str:
        now = int(self._now())
        every = {"iss": self.client_id, "iat": now, "exp": now + _SECONDS, "jti": secrets.token_urlsafe(16), **claims}
        return jwt.encode(every, self._private, _ALGORITHM, headers={"typ": kind, "kid": self._kid})


def _public_jwk(private: Ed25519PrivateKey) -> dict[str, Any]:
    """Named by its thumbprint (RFC 7638, RFC 8037 §2)."""
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**jwk, "kid": _base64url(thumbprint), "use": "sig", "alg": _ALGORITHM}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
