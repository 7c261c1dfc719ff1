"""`private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9): an assertion signed by the client's key, used once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.client_auth.face import AuthMethod, Presented
from idp.oauth.client_keys import ClientKeys
from idp.oauth.clients import Client
from idp.oauth.models import AssertionRow
from idp.oauth.signed import ALGORITHMS, peek
from idp.platform.db import Database, insert_or_ignore
from idp.platform.forms import Form
from idp.platform.http import Call

NAME, SOURCE = "private_key_jwt", "RFC 7523 2.2"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH = 8 * 1024
MAX_SKEW = 10
_TYPES = frozenset({None, "jwt", "client-authentication+jwt"})
_Claims = Mapping[str, Any]


class AssertionChecker:
    """Checks assertions for one issuer and burns their `jti`; when it cannot be burned, the assertion proves nothing."""

    def __init__(self, database: Database, clock: Clock, keys: ClientKeys, *, issuer: str, token_endpoint: str) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._issuer = issuer
        self._token_endpoint = token_endpoint

    def proves(self, client: Client, presented: Presented) -> bool:
        """Signature, then claims, then the single use."""
        algorithms = (client.assertion_alg,) if client.assertion_alg else ALGORITHMS
        signed = self._keys.verified(client, presented.proof, algorithms=algorithms, types=_TYPES)
        return signed is not None and self._fits(client, signed.claims) and self._burn(client, signed.claims)

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
    sub = (peek(assertion) or {}).get("sub")
    return Presented(sub if isinstance(sub, str) else "", assertion)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget assertions that have expired; returns how many."""
    over = sa.select(AssertionRow.key).where(AssertionRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(AssertionRow).where(AssertionRow.key.in_(over))).rowcount
