"""Minting: one service token, or the set of tokens a grant gives. Nothing here touches the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.clock import Clock
from idp.platform.ids import RandomBytes
from idp.tokens import lineage
from idp.tokens.access import mint_access_token
from idp.tokens.identity import mint_id_token
from idp.tokens.keyring import Keyring
from idp.tokens.status_list import StatusClaim
from idp.tokens.status_list_indexes import StatusIndexes
from idp.tokens.values import AccessToken, Grant, TokenAnswer, token_type_of

_NO_CLAIMS: Mapping[str, Any] = {}
_LOGIN = ("auth_time", "acr", "amr")


class TokenIssuer:
    """Mints tokens in the name of one issuer; lifetimes are in seconds."""

    def __init__(
        self,
        keyring: Keyring,
        issuer: str,
        clock: Clock,
        random: RandomBytes,
        indexes: StatusIndexes,
        *,
        id_token_ttl: int,
    ) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._clock = clock
        self._random = random
        self.indexes = indexes
        self._id_token_ttl = id_token_ttl

    def service_token(
        self,
        *,
        client_id: str,
        audience: str,
        scope: str,
        ttl: int,
        alg: str,
        extra: Mapping[str, Any] = _NO_CLAIMS,
    ) -> TokenAnswer:
        """A token for a client itself (RFC 6749 §4.4): no row is written, its index is of a block that is the client's."""
        token = mint_access_token(
            self._keyring.signer(alg),
            issuer=self._issuer,
            sub=client_id,
            client_id=client_id,
            audience=audience,
            scope=scope,
            ttl=ttl,
            now=self._clock.now(),
            jti=self._random.text(),
            status=self.indexes.of_client(client_id),
            extra=extra,
        )
        return TokenAnswer(token, ttl, scope, token_type=token_type_of(extra))

    def grant_tokens(
        self,
        grant: Grant,
        *,
        audience: str,
        scope: str,
        ttl: int,
        alg: str,
        status: StatusClaim,
        roles: tuple[str, ...] | None,
        id_token_alg: str | None,
        refresh_token: str | None,
        details: tuple[Mapping[str, Any], ...] = (),
        extra: Mapping[str, Any] = _NO_CLAIMS,
        id_claims: Mapping[str, Any] = _NO_CLAIMS,
        sub: str | None = None,
        id_sub: str | None = None,
    ) -> TokenAnswer:
        """The tokens of a grant: an access token for one audience, and an ID token when `id_token_alg` is given.

        `status` is what `indexes.reserve()` gave, attached to the grant in the transaction that let it have these tokens. `sub` and `id_sub`
        are what the person is called in the one and in the other, where it is not the public identifier. `details` are the authorization
        details of the access token and `extra` its further claims; `id_claims` are the person's claims that were asked for in the ID token.
        """
        now = self._clock.now()
        login = _login(grant)
        access_token = mint_access_token(
            self._keyring.signer(alg),
            issuer=self._issuer,
            sub=sub or grant.sub,
            client_id=grant.client_id,
            audience=audience,
            scope=scope,
            ttl=ttl,
            now=now,
            jti=f"{grant.id}.{self._random.text()}",
            status=status,
            extra={**login, **_said(roles, details), **extra},
        )
        id_token = None
        if id_token_alg is not None:
            id_token = self.id_token(
                grant, alg=id_token_alg, hashed={"at_hash": access_token}, claims=id_claims, sub=id_sub
            )
        return TokenAnswer(access_token, ttl, scope, refresh_token, id_token, token_type_of(extra), details)

    def exchanged_token(
        self,
        subject: AccessToken,
        *,
        sub: str,
        client_id: str,
        audience: str,
        scope: str,
        ttl: int,
        alg: str,
        status: StatusClaim,
        roles: tuple[str, ...] | None,
        details: tuple[Mapping[str, Any], ...],
        extra: Mapping[str, Any],
    ) -> TokenAnswer:
        """An access token for one that was presented (RFC 8693): it hangs on the same grant and tells of the same login."""
        login = {name: subject.claims[name] for name in _LOGIN if name in subject.claims}
        token = mint_access_token(
            self._keyring.signer(alg),
            issuer=self._issuer,
            sub=sub,
            client_id=client_id,
            audience=audience,
            scope=scope,
            ttl=ttl,
            now=self._clock.now(),
            jti=lineage.succeed(subject.jti, self._clock.precise()),
            status=status,
            extra={**login, **_said(roles, details), **extra},
        )
        return TokenAnswer(token, ttl, scope, token_type=token_type_of(extra), authorization_details=details)

    def id_token(
        self,
        grant: Grant,
        *,
        alg: str,
        hashed: Mapping[str, str],
        claims: Mapping[str, Any],
        sub: str | None = None,
    ) -> str:
        """The ID token of a grant; `hashed` are the values it vouches for, by `at_hash`, `c_hash` or `s_hash`."""
        extra = {**claims, "nonce": grant.nonce, "sid": grant.sid, **_login(grant)}
        return mint_id_token(
            self._keyring.signer(alg),
            issuer=self._issuer,
            sub=sub or grant.sub,
            client_id=grant.client_id,
            ttl=self._id_token_ttl,
            now=self._clock.now(),
            hashed=hashed,
            extra={name: value for name, value in extra.items() if value is not None},
        )


def _login(grant: Grant) -> dict[str, Any]:
    """What every token of a grant tells of its login (OpenID Connect Core §2, RFC 9068 §2.2.1)."""
    return {"auth_time": grant.auth_time, "acr": grant.acr, "amr": list(grant.amr)}


def _said(roles: tuple[str, ...] | None, details: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """What an access token says of the person and of what was granted, where there is anything to say."""
    said: dict[str, Any] = {} if roles is None else {"roles": list(roles)}
    if details:
        said["authorization_details"] = list(details)
    return said
