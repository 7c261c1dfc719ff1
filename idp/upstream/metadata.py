"""Where a provider's endpoints are: by discovery (OpenID Connect Discovery §4), or as the operator gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from idp.clock import Clock
from idp.errors import ProtocolError, Unavailable
from idp.oauth.fetched import Fetch, Fetched, Limits
from idp.platform.forms import parse_json
from idp.upstream.providers import Known
from idp.upstream.stopped import away, untrusted
from vetted_http import Response

LIMITS = Limits(fresh=3600, stale=86400, retry=2, kept=100, waiting=8)
_URLS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`names_itself`: its answers carry `iss` (RFC 9207 §3)."""

    authorization: str
    token: str
    userinfo: str | None
    jwks: str | None
    names_itself: bool


class Discovery:
    """Finds endpoints; documents are kept for an hour, and a day longer while their host is away."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._documents = Fetched(fetch, _read, clock, LIMITS)

    def endpoints(self, known: Known) -> Endpoints:
        """Raises `Stopped` when they cannot be found out, or the document is another issuer's."""
        provider = known.provider
        if provider.kind == "oauth2":
            assert provider.authorization_endpoint and provider.token_endpoint  # the model requires them
            return Endpoints(
                provider.authorization_endpoint, provider.token_endpoint, provider.userinfo_endpoint, None, False
            )
        document = self._document(known)
        if document.get("issuer") != provider.issuer:
            raise untrusted(known.title, "the discovery document is of another issuer")
        return Endpoints(
            provider.authorization_endpoint or document["authorization_endpoint"],
            provider.token_endpoint or document["token_endpoint"],
            provider.userinfo_endpoint or document.get("userinfo_endpoint"),
            document["jwks_uri"],
            document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _document(self, known: Known) -> Mapping[str, Any]:
        try:
            document = self._documents.current(known.provider.discovery_url)
        except Unavailable as error:
            raise away(known.title, error.detail) from error
        if document is None:
            raise away(known.title, "no discovery document")
        return document


def _read(response: Response) -> Mapping[str, Any]:
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    try:
        document = parse_json(response.body)
    except ProtocolError as error:
        raise ValueError("not JSON") from error
    if not isinstance(document, dict):
        raise ValueError("not an object")
    for name in _URLS:
        if name in document or name != "userinfo_endpoint":
            _check_url(document.get(name))
    return document


def _check_url(value: Any) -> None:
    if not isinstance(value, str) or urlsplit(value).scheme not in {"https", "http"} or not urlsplit(value).hostname:
        raise ValueError("an endpoint is missing or not a URL")
