"""A client that proves itself by signed assertions (RFC 7523)."""

from __future__ import annotations

import secrets
import time
from typing import Any

import requests
from joserfc import jwk, jwt

from tests.support.running import RunningIdp

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Signed:
    """A service with a key of its own; `audience` is the API it asks tokens for."""

    def __init__(self, idp: RunningIdp, alg: str = "ES256", **metadata: Any) -> None:
        self.idp, self.alg = idp, alg
        self.key = {
            "ES256": lambda: jwk.ECKey.generate_key("P-256", {"kid": "k1"}),
            "RS256": lambda: jwk.RSAKey.generate_key(2048),
        }[alg]()
        given = {"grant_types": ["client_credentials"], **metadata}
        if "jwks_uri" not in given:
            given["jwks"] = self.public
        self.client = idp.client(token_endpoint_auth_method="private_key_jwt", **given)

    @property
    def public(self) -> dict[str, Any]:
        """Its key set as it is registered or published."""
        return {"keys": [self.key.as_dict(private=False)]}

    def assertion(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A good assertion, but for what `changes` says; None leaves a claim out."""
        now = int(time.time())
        client_id = self.client["client_id"]
        body = {
            "iss": client_id,
            "sub": client_id,
            "aud": self.idp.issuer,
            "exp": now + 60,
            "iat": now,
            "jti": secrets.token_hex(8),
        }
        kept = {name: value for name, value in {**body, **changes}.items() if value is not None}
        return jwt.encode({"alg": self.alg, **(header or {})}, kept, self.key)

    def post(self, header: dict[str, Any] | None = None, **changes: Any) -> requests.Response:
        return self.send(self.assertion(header, **changes))

    def send(self, assertion: str, base: str | None = None) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return requests.post(f"{base or self.idp.url}/oauth/token", data=form, timeout=30)
