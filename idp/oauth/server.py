"""The Authlib server that the code grant runs through: it validates the request and PKCE, our grant consumes and issues.

Its gaps for this path (STANDARDS section 3) are closed here: PKCE knows S256 alone, and a missing or malformed verifier is `invalid_grant`.
"""

from __future__ import annotations

import re
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge

from idp.errors import ProtocolError
from idp.oauth.authlib_views import ClientView, TokenRequest

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")


class S256(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 and nothing else (RFC 7636, RFC 9700 §2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """As Authlib does, but every failure is `invalid_grant`: the code does not fit what is presented with it."""
        verifier = grant.request.form.get("code_verifier")
        if verifier is not None and not _VERIFIER.match(verifier):
            raise InvalidGrantError("The code_verifier is malformed")  # Authlib's own pattern lets a final newline pass
        try:
            super().validate_code_verifier(grant, result)
        except InvalidRequestError as error:
            raise InvalidGrantError(error.description) from error


class TokenServer(AuthorizationServer):  # type: ignore[misc]
    """Dispatches a token request to its grant; the endpoint has authenticated the client."""

    def __init__(self, grant: type[Any], stores: Any) -> None:
        super().__init__()
        self.stores = stores
        self.register_grant(grant, [S256(required=True)])

    def authenticate_client(self, request: TokenRequest, _methods: Any, _endpoint: str = "token") -> ClientView:
        return request.authenticated

    def send_signal(self, _name: str, *_arguments: Any, **_keywords: Any) -> None:
        """Nobody listens."""

    def respond(self, request: TokenRequest) -> dict[str, Any]:
        """The token response; Authlib's errors become ours."""
        try:
            grant = self.get_token_grant(request)
            grant.validate_token_request()
            _status, document, _headers = grant.create_token_response()
        except OAuth2Error as error:
            raise ProtocolError(error.error, _plain(error.description), status=error.status_code) from error
        answer: dict[str, Any] = document
        return answer


def _plain(description: str | None) -> str:
    """An error_description without the characters RFC 6749 §5.2 forbids."""
    return "".join(char for char in description or "" if char.isascii() and char.isprintable() and char not in "\"\\'")
