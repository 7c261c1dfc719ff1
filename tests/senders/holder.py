"""A client that holds keys: it proves them (RFC 9449) and presents what is bound to them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any

import requests
from joserfc import jwk, jws

from tests.support.flows import App

KEYS: dict[str, Any] = {
    "ES256": lambda: jwk.ECKey.generate_key("P-256"),
    "PS256": lambda: jwk.RSAKey.generate_key(2048),
    "Ed25519": lambda: jwk.OKPKey.generate_key("Ed25519"),
    "EdDSA": lambda: jwk.OKPKey.generate_key("Ed25519"),
}


class _Writing(jws.JWSRegistry):
    max_header_length = 4096


class KeyHolder:
    """One key pair and the proofs it signs."""

    def __init__(self, alg: str = "ES256") -> None:
        self.alg = alg
        self.key: jwk.Key = KEYS[alg]()
        self.jkt = self.key.thumbprint()
        self.public = self.key.as_dict(private=False)

    def proof(
        self, method: str, url: str, *, token: str | None = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A good proof but for what `header` and `changes` say; None leaves a member out."""
        claims: dict[str, Any] = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = ath(token)
        protected = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.public, **(header or {})}
        return self.signed(_without_none(protected), _without_none({**claims, **changes}))

    def signed(self, header: dict[str, Any], claims: Any) -> str:
        return jws.serialize_compact(
            header, json.dumps(claims), self.key, registry=_Writing(algorithms=[self.alg], strict_check_header=False)
        )


class BoundApp(App):
    """A client that sends a proof of its key with everything."""

    def __init__(self, idp: str, client: dict[str, Any], key: KeyHolder | None = None) -> None:
        super().__init__(idp, client)
        self.key = key or KeyHolder()

    def post(self, path: str, **data: Any) -> requests.Response:
        """As its parent does; `proof` is sent instead of a good one, None: none is sent."""
        proof = data.pop("proof") if "proof" in data else self.key.proof("POST", f"{self.issuer}{path}")
        headers = {} if proof is None else {"DPoP": proof}
        return super().post(path, headers=headers, **data)

    def userinfo(self, access_token: str, *, scheme: str = "DPoP", proof: str | None = None) -> requests.Response:
        """Userinfo by a bound token; `proof` is sent instead of a good one."""
        url = f"{self.issuer}/oauth/userinfo"
        sent = self.key.proof("GET", url, token=access_token) if proof is None else proof
        headers = {"Authorization": f"{scheme} {access_token}", **({"DPoP": sent} if sent else {})}
        return requests.get(f"{self.idp}/oauth/userinfo", headers=headers, timeout=30)


def ath(token: str) -> str:
    """The hash of an access token in a proof (RFC 9449 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
