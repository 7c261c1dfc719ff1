"""What Authlib is shown of our values: thin views, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from idp.oauth.clients import Client
from idp.oauth.codes import Code


class ClientView(ClientMixin):  # type: ignore[misc]
    """A client that has authenticated already."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        return self.client.client_id

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == self.client.auth_method


class CodeView(AuthorizationCodeMixin):  # type: ignore[misc]
    """A stored code. Its redirect URI is shown where the request must repeat it: by the profile's rule, or because it is sent."""

    code_challenge_method = "S256"

    def __init__(self, code: Code, *, compare_redirect_uri: bool) -> None:
        self.code = code
        self.code_challenge = code.code_challenge
        self._redirect_uri = code.redirect_uri if compare_redirect_uri else None

    def get_redirect_uri(self) -> str | None:
        return self._redirect_uri

    def get_scope(self) -> str:
        return self.code.grant.scope


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A token request whose form was parsed strictly and whose client has authenticated."""

    def __init__(self, form: Mapping[str, str], client: Client, call: Any) -> None:
        super().__init__(
            "POST", "https://token.invalid/"
        )  # only its scheme is looked at; the edge checked the real one
        self.payload = BasicOAuth2Payload(dict(form))
        self.call = call
        self.authenticated = ClientView(client)
        self.auth_method = client.auth_method

    @property
    def form(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.payload.data
        return data
