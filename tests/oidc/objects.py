"""Request objects as clients make them: signed with a key of theirs, or not at all."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
KEYS |= {"PS256": KEYS["RS256"], "EdDSA": KEYS["Ed25519"]}
JWKS = {"keys": [KEYS[alg].as_dict(private=False) for alg in ("RS256", "ES256", "Ed25519")]}


def signed(claims: dict[str, Any], alg: str = "RS256", *, key: Key | None = None, **header: Any) -> str:
    """A signed request object; a header member None is left out."""
    key = key or KEYS[alg]
    given = {"alg": alg, "kid": key.kid, **header}
    members = {name: value for name, value in given.items() if value is not None}
    return jws.serialize_compact(members, json.dumps(claims).encode(), key, algorithms=[alg])


def unsigned(claims: Any, **header: Any) -> str:
    """An unsecured request object."""
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    return f"{_encoded(json.dumps({'alg': 'none', **header}))}.{_encoded(payload)}."


def about(client_id: str, issuer: str, /, **claims: Any) -> dict[str, Any]:
    """The claims that bind an object to its client and to us."""
    now = int(time.time())
    return {"iss": client_id, "aud": issuer, "client_id": client_id, "exp": now + 60, "nbf": now, "iat": now, **claims}


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
