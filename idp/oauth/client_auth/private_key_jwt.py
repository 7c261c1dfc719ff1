"""`private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9): an assertion signed by the client's key, used once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from idp.clock import Clock
from idp.oauth.client_auth.face import AuthMethod, Presented
from idp.oauth.clients import Client
from idp.oauth.models import AssertionRow
from idp.platform.db import Database, insert_or_ignore
from idp.platform.forms import Form
from idp.platform.http import Call

NAME, SOURCE = "private_key_jwt", "RFC 7523 2.2"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
MAX_LENGTH = 8 * 1024
MAX_SKEW = 10
_TYPES = frozenset({None, "jwt", "client-authentication+jwt"})
_KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "Ed25519": "OKP", "EdDSA": "OKP"}
_Claims = Mapping[str, Any]


class AssertionChecker:
    """Checks assertions for one issuer and burns their `jti`; when it cannot be burned, the assertion proves nothing."""

    def __init__(self, database: Database, clock: Clock, *, issuer: str, token_endpoint: str) -> None:
        self._database = database
        self._clock = clock
        self._issuer = issuer
        self._token_endpoint = token_endpoint

    def proves(self, client: Client, presented: Presented) -> bool:
        """Signature, then claims, then the single use."""
        claims = _verified(client, presented.proof)
        return claims is not None and self._fits(client, claims) and self._burn(client, claims)

    def _fits(self, client: Client, claims: _Claims) -> bool:
        now, profile = self._clock.now(), client.profile
        audiences = (
            {self._issuer, self._token_endpoint} if profile.assertion_audience_token_endpoint else {self._issuer}
        )
        expires: Any = claims.get("exp")
        begins, issued = claims.get("nbf", now), claims.get("iat", now)
        return (
            claims.get("iss") == claims.get("sub") == client.client_id
            and isinstance(claims.get("aud"), str)
            and claims["aud"] in audiences
            and all(_is_time(value) for value in (expires, begins, issued))
            and now < expires <= now + profile.assertion_max_age
            and max(begins, issued) <= now + MAX_SKEW
            and isinstance(claims.get("jti"), str)
            and 0 < len(claims["jti"]) <= 512
        )

    def _burn(self, client: Client, claims: _Claims) -> bool:
        key = hashlib.sha256(f"{client.client_id}\n{claims['jti']}".encode("utf-8", "replace")).hexdigest()
        with self._database.write() as tx:
            return insert_or_ignore(tx, AssertionRow, {"key": key, "expires_at": int(claims["exp"]) + MAX_SKEW})


def method(checker: AssertionChecker) -> AuthMethod:
    """The method over a checker."""
    return AuthMethod(NAME, present, checker.proves)


def present(_call: Call, form: Form) -> Presented | None:
    """The client is the assertion's `sub`, whether or not `client_id` is sent beside it (RFC 7521 §4.2)."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return None
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != TYPE or not 0 < len(assertion) <= MAX_LENGTH or not assertion.isascii():
        return Presented("", "")
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError):
        return Presented("", "")
    sub = claims.get("sub") if isinstance(claims, dict) else None
    return Presented(sub if isinstance(sub, str) else "", assertion)


def _verified(client: Client, assertion: str) -> _Claims | None:
    if client.jwks is None:
        return None
    try:
        header = jws.extract_compact(assertion.encode()).headers()
        alg, typ = header.get("alg"), header.get("typ")
        if alg not in ALGORITHMS or (client.assertion_alg or alg) != alg:
            return None
        if (typ.lower() if isinstance(typ, str) else typ) not in _TYPES:
            return None
        return _signed_by_any(assertion, _fitting(client.jwks, alg, header.get("kid")), alg)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _fitting(keys: KeySet, alg: str, kid: Any) -> list[Key]:
    """The keys the header can mean: the named one, or without a kid all of the algorithm's type."""
    fitting = [key for key in keys.keys if key.key_type == _KEY_TYPES[alg] and key.get("use", "sig") == "sig"]
    return fitting if kid is None else [key for key in fitting if key.kid == kid]


def _signed_by_any(assertion: str, keys: list[Key], alg: str) -> _Claims | None:
    for key in keys:
        try:
            claims = json.loads(jws.deserialize_compact(assertion, key, algorithms=[alg]).payload or b"")
        except JoseError:
            continue
        return claims if isinstance(claims, dict) else None
    return None


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget assertions that have expired; returns how many."""
    over = sa.select(AssertionRow.key).where(AssertionRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(AssertionRow).where(AssertionRow.key.in_(over))).rowcount
