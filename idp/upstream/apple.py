"""What only Apple does: a client secret that is a signed JWT, and a name that comes once, beside the code.

https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from idp.errors import ProtocolError, Refused
from idp.platform.forms import parse_json
from idp.upstream.providers import Provider

_AUDIENCE = "https://appleid.apple.com"
_LIFE = 300


def client_secret(provider: Provider, key: str, now: int) -> str:
    """A fresh client secret, good for five minutes."""
    header = {"alg": "ES256", "kid": provider.key_id or ""}
    claims = {
        "iss": provider.team_id,
        "iat": now,
        "exp": now + _LIFE,
        "aud": provider.issuer or _AUDIENCE,
        "sub": provider.client_id,
    }
    return jwt.encode(header, claims, ECKey.import_key(key))


def check_key(text: str) -> None:
    """Raise `Refused` unless this is the private key that signs client secrets: P-256, in PEM."""
    try:
        key = ECKey.import_key(text)
    except (JoseError, ValueError, TypeError) as error:
        raise Refused("secret", "the secret must be the private key that Apple gave out, in PEM") from error
    if not key.is_private or key.curve_name != "P-256":
        raise Refused("secret", "the secret must be a private key on P-256")


def told_once(user: str | None) -> Mapping[str, Any]:
    """The name in the `user` parameter of a first login. Nobody signed it: it is good for a name and nothing else."""
    try:
        document = parse_json(user or "{}")
    except ProtocolError:
        return {}
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, dict):
        return {}
    first, last = (part if isinstance(part, str) else "" for part in (name.get("firstName"), name.get("lastName")))
    told = {"given_name": first, "family_name": last, "name": f"{first} {last}".strip()}
    return {claim: value for claim, value in told.items() if value}
