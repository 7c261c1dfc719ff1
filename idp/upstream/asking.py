"""How we ask a provider's endpoints: by Authlib's client, over our own guarded HTTP and nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from idp.errors import ProtocolError
from idp.platform.forms import parse_json
from idp.upstream.providers import Known
from idp.upstream.stopped import Stopped, away, untrusted
from vetted_http import Client as OutboundHttp
from vetted_http import FetchError, Response


class _Unusable(Exception):
    """An answer nobody can go on with; the text is for the log."""


class _Answer:
    """A response as Authlib's client reads it."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self._body = response.body

    def json(self) -> Any:
        try:
            return parse_json(self._body)
        except ProtocolError as error:
            raise ValueError("not JSON") from error

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise _Unusable(f"status {self.status_code}")


class _Session:
    """What Authlib's client takes for a session: it knows one way out, `vetted_http`."""

    def __init__(self, outbound: OutboundHttp) -> None:
        self._outbound = outbound

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Answer(self._outbound.post(url, body.encode(), sent))


def client(known: Known, secret: str, outbound: OutboundHttp, redirect_uri: str) -> OAuth2Client:
    """Authlib's client for one conversation with this provider."""
    provider = known.provider
    method = "client_secret_post" if provider.auth_method == "apple" else provider.auth_method
    made = OAuth2Client(
        _Session(outbound),
        client_id=provider.client_id,
        client_secret=secret,
        token_endpoint_auth_method=method,
        scope=provider.scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    made.register_client_auth_method(("client_secret_basic", _basic))
    return made


def redeem(known: Known, with_client: OAuth2Client, url: str, code: str, verifier: str) -> Mapping[str, Any]:
    """What the token endpoint gives for the code (RFC 6749 §4.1.3); raises `Stopped`."""
    try:
        token = with_client.fetch_token(url, grant_type="authorization_code", code=code, code_verifier=verifier)
    except (FetchError, _Unusable) as error:
        raise away(known.title, f"token endpoint: {error}") from error
    except OAuth2Error as error:
        raise untrusted(known.title, f"token endpoint: {str(error.error)[:64]}") from error
    except (ValueError, TypeError) as error:
        raise untrusted(known.title, "token endpoint: not a token response") from error
    if not isinstance(token.get("access_token"), str) or not token["access_token"]:
        raise untrusted(known.title, "token endpoint: no access token")
    return dict(token)


def api(known: Known, outbound: OutboundHttp, url: str, access_token: str) -> Any:
    """What an API of the provider tells with the token (RFC 6750 §2.1); raises `Stopped`."""
    try:
        answer = outbound.get(url, {"Authorization": f"Bearer {access_token}", "Accept": "application/json"})
    except FetchError as error:
        raise away(known.title, f"userinfo: {error.kind}") from error
    if answer.status != 200:
        raise _refused(known, answer.status)
    try:
        return parse_json(answer.body)
    except ProtocolError as error:
        raise untrusted(known.title, "userinfo: not JSON") from error


def _refused(known: Known, status: int) -> Stopped:
    refused = away if status >= 500 or status == 429 else untrusted
    return refused(known.title, f"userinfo: status {status}")


def _basic(client: Any, _method: str, url: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """Id and secret form-encoded (RFC 6749 §2.3.1); Authlib's own leaves that out."""
    pair = ":".join(quote(part, safe="") for part in (client.client_id, client.client_secret))
    headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return url, headers, body
