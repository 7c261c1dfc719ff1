"""Who is logged in here, and how the identity provider ends it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Known(Protocol):
    """What the app was told when it was registered, as far as logout tokens go."""

    @property
    def issuer(self) -> str: ...
    @property
    def client_id(self) -> str: ...


@dataclass
class Logins:
    """Tokens stay on the server, by a random key in the cookie. In memory: a real app would use its database."""

    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def keep(self, token: dict[str, Any]) -> str:
        key = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[key] = token
        return key

    def end(self, told: dict[str, Any]) -> None:
        """Log out whoever a logout token names: one session, or without `sid` every session of the person. Each token counts once."""
        with self.lock:
            self.heard = {jti: until for jti, until in self.heard.items() if until > time.time()}
            if told["jti"] in self.heard:
                return
            self.heard[told["jti"]] = told["exp"]
            name = "sid" if "sid" in told else "sub"
            for key in [key for key, token in self.tokens.items() if token["userinfo"].get(name) == told[name]]:
                del self.tokens[key]
                self.ended.add(key)

    def was_ended(self, key: str) -> bool:
        """Whether the identity provider ended this login; said once."""
        with self.lock:
            ended = key in self.ended
            self.ended.discard(key)
        return ended


def read_logout_token(idp: Any, config: Known, token: str) -> dict[str, Any]:
    """The claims of a logout token of our identity provider, for us (Back-Channel Logout §2.6); raises `ValueError` or `JoseError`."""
    algorithms = [alg for alg in idp.load_server_metadata()["id_token_signing_alg_values_supported"] if alg != "none"]
    try:
        read = jwt.decode(token, KeySet.import_key_set(idp.fetch_jwk_set()), algorithms=algorithms)
    except InvalidKeyIdError:  # a new key: ask again
        read = jwt.decode(token, KeySet.import_key_set(idp.fetch_jwk_set(force=True)), algorithms=algorithms)
    needed: dict[str, Any] = {name: {"essential": True} for name in ("iat", "exp", "jti")}
    jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": config.issuer},
        aud={"essential": True, "value": config.client_id},
        **needed,
    ).validate(read.claims)
    claims: dict[str, Any] = read.claims
    if read.header.get("typ", "").lower() != "logout+jwt" or "nonce" in claims or not {"sub", "sid"} & claims.keys():
        raise ValueError("this is no logout token")
    if claims.get("events") != {LOGOUT_EVENT: {}}:
        raise ValueError("this tells of something else")
    return claims
