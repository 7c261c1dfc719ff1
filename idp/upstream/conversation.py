"""One conversation with a provider: where the browser is sent, and who it says came back (RFC 6749 §4.1, OpenID Connect Core §3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from idp.clock import Clock
from idp.errors import Unavailable
from idp.oauth.remote_keys import RemoteKeys
from idp.oauth.signed import ALGORITHMS, Signed, fitting_at, verified
from idp.platform import i18n
from idp.upstream import apple, asking
from idp.upstream.directory import ProviderDirectory
from idp.upstream.identity import Identity, identity_of
from idp.upstream.journeys import Journeys
from idp.upstream.metadata import Discovery, Endpoints
from idp.upstream.providers import TENANT, Known
from idp.upstream.stopped import Stopped, away, untrusted
from vetted_http import Client as OutboundHttp

PATH = "/login/upstream"
_TYPES = frozenset({None, "jwt"})
_TENANT_ID = re.compile(r"[0-9a-f-]{36}\Z")


@dataclass(frozen=True, slots=True)
class Conversations:
    """Speaks to every provider; `url` makes our public URL of a path."""

    outbound: OutboundHttp
    clock: Clock
    keys: RemoteKeys
    discovery: Discovery
    directory: ProviderDirectory
    journeys: Journeys
    url: Callable[[str], str]

    def authorization_url(self, known: Known, state: str, *, fresh: bool) -> str:
        """Where the browser goes; `fresh` asks the provider to have the person prove themselves again. Raises `Stopped`."""
        provider, endpoints = known.provider, self.discovery.endpoints(known)
        asked = dict(provider.parameters)
        if provider.kind == "oidc":
            asked["nonce"] = self.journeys.nonce(state)
            if fresh:
                asked["prompt"] = "login"
        if provider.response_mode:
            asked["response_mode"] = provider.response_mode
        url, _ = self._client(known, "").create_authorization_url(
            endpoints.authorization, state=state, code_verifier=self.journeys.verifier(state), **asked
        )
        return str(url)

    def identity(self, known: Known, state: str, answer: Mapping[str, str]) -> Identity:
        """Who came back; raises `Stopped` where that is not proven."""
        endpoints = self.discovery.endpoints(known)
        tenant = self._check_sender(known, endpoints, answer)
        if "error" in answer:
            raise _told(known, answer["error"])
        code = answer.get("code")
        if not code:
            raise untrusted(known.title, "neither code nor error")
        client = self._client(known, self._secret(known))
        token = asking.redeem(known, client, endpoints.token, code, self.journeys.verifier(state))
        if known.provider.kind == "oauth2":
            return identity_of(known, self._person(known, endpoints, token["access_token"]))
        claims = self._claims(known, endpoints, token, self.journeys.nonce(state))
        if tenant is not None and claims["iss"] != tenant:
            raise untrusted(known.title, "the ID token is of another tenant than the answer")
        told = self._with_userinfo(known, endpoints, claims, token["access_token"])
        if known.provider.auth_method == "apple":
            told = {**apple.told_once(answer.get("user")), **told}
        return identity_of(known, told, tenant=claims["tid"] if known.provider.has_tenants else None)

    def _check_sender(self, known: Known, endpoints: Endpoints, answer: Mapping[str, str]) -> str | None:
        """Whether the answer is this provider's (RFC 9207 §2.4): another one's code must not be redeemed here. Returns the tenant's issuer."""
        issuer, named = known.provider.issuer, answer.get("iss")
        if named is None:
            if endpoints.names_itself:
                raise untrusted(known.title, "the answer does not name its issuer")
            return None
        if known.provider.has_tenants and issuer is not None:
            before, _, after = issuer.partition(TENANT)
            if not (named.startswith(before) and named.endswith(after)):
                raise untrusted(known.title, "the answer is of another issuer")
            return named
        if issuer is not None and named != issuer:
            raise untrusted(known.title, "the answer is of another issuer")
        return None

    def _claims(self, known: Known, endpoints: Endpoints, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        from idp.upstream import openid  # noqa: PLC0415 - Authlib's OpenID half, loaded by those who log in with others

        signed = self._signed(known, endpoints.jwks or "", token.get("id_token"))
        wrong = openid.fault(
            signed,
            issuer=_issuer(known, signed.claims),
            client_id=known.provider.client_id,
            nonce=nonce,
            access_token=token["access_token"],
            now=self.clock.now(),
        )
        if wrong is not None:
            raise untrusted(known.title, f"ID token: {wrong}")
        return signed.claims

    def _signed(self, known: Known, jwks: str, token: Any) -> Signed:
        if not isinstance(token, str):
            raise untrusted(known.title, "no ID token")
        try:
            signed = verified(token, partial(fitting_at, self.keys, jwks), algorithms=ALGORITHMS, types=_TYPES)
        except Unavailable as error:
            raise away(known.title, error.detail) from error
        if signed is None:
            raise untrusted(known.title, "the ID token is not signed by one of its keys")
        return signed

    def _with_userinfo(
        self, known: Known, endpoints: Endpoints, claims: Mapping[str, Any], access_token: str
    ) -> Mapping[str, Any]:
        """The ID token's claims and what userinfo adds; it must be about the same person (OpenID Connect Core §5.3.2)."""
        if endpoints.userinfo is None or not known.provider.userinfo:
            return claims
        told = self._person(known, endpoints, access_token)
        if told.get("sub") != claims.get("sub"):
            raise untrusted(known.title, "userinfo is about somebody else")
        return {**told, **claims}

    def _person(self, known: Known, endpoints: Endpoints, access_token: str) -> dict[str, Any]:
        told = asking.api(known, self.outbound, endpoints.userinfo or "", access_token)
        if not isinstance(told, dict):
            raise untrusted(known.title, "userinfo: not an object")
        if known.provider.emails_endpoint is None:
            return told
        return {**told, **_primary(asking.api(known, self.outbound, known.provider.emails_endpoint, access_token))}

    def _client(self, known: Known, secret: str) -> Any:
        return asking.client(known, secret, self.outbound, self.url(f"{PATH}/{known.name}/callback"))

    def _secret(self, known: Known) -> str:
        secret = self.directory.secret(known)
        if known.provider.auth_method == "apple":
            return apple.client_secret(known.provider, secret, self.clock.now())
        return secret


def _issuer(known: Known, claims: Mapping[str, Any]) -> str:
    """The issuer that the ID token must name; of a provider with tenants the one of the token's tenant, if it may come here."""
    issuer = known.provider.issuer or ""
    if not known.provider.has_tenants:
        return issuer
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or not _TENANT_ID.match(tenant):
        raise untrusted(known.title, "the ID token names no tenant")
    if known.provider.tenants and tenant not in known.provider.tenants:
        raise Stopped(
            "tenant",
            i18n.gettext("Your organisation at %(provider)s is not let in here.", provider=known.title),
            detail="another tenant",
        )
    return issuer.replace(TENANT, tenant)


def _primary(emails: Any) -> dict[str, Any]:
    """The one address of a list of them that counts: GitHub's primary one, and whether it is verified."""
    for one in emails if isinstance(emails, list) else []:
        if isinstance(one, dict) and one.get("primary") is True:
            return {"email": one.get("email"), "email_verified": one.get("verified") is True}
    return {"email": None, "email_verified": False}


def _told(known: Known, error: str) -> Stopped:
    """An error answer in words (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6)."""
    detail = f"answered {error[:64]}"
    if error in {"access_denied", "user_cancelled_authorize"}:
        return Stopped(
            "denied",
            i18n.gettext("You did not allow it at %(provider)s, so nothing happened.", provider=known.title),
            detail=detail,
        )
    if error in {"server_error", "temporarily_unavailable"}:
        return away(known.title, detail)
    return Stopped("refused", f"{known.title} did not let you in this time. Try again.", detail=detail)
