"""Somebody else's provider over real HTTP: OpenID Connect with any behaviour, GitHub-style plain OAuth 2, Apple-like form posts, tenants."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from idp.tokens.identity import left_half
from tests.support.flows import base64url, encoded, pkce_challenge

CLIENT_ID, CLIENT_SECRET = "our-id-there", "a secret of ours: 100% + more"
Change = Callable[[dict[str, Any]], None]


class _Server(ThreadingHTTPServer):
    """Keeps waiting who comes at the same moment: a connection that finds the queue full tries again only seconds later, and we give up at five."""

    request_queue_size = 128


class Provider:
    """`person` is who is signed in there. What tests change: `alter` the claims of the next ID tokens, `headers` of their JOSE header,
    `answer` what comes back to the callback, `down` paths that answer 503. `asked` holds what each endpoint was asked.
    """

    def __init__(self, path: str = "") -> None:
        self.person: dict[str, Any] = {"sub": secrets.token_hex(6)}
        self.userinfo: dict[str, Any] | None = None
        self.emails: list[dict[str, Any]] | None = None
        self.alter: Change = lambda claims: None
        self.answer: Change = lambda parameters: None
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.documented: dict[str, Any] = {"authorization_response_iss_parameter_supported": True}
        self.down: set[str] = set()
        self.slow: Callable[[], object] = lambda: None
        self.asked: dict[str, list[dict[str, str]]] = {}
        self.headers: list[dict[str, str]] = []
        self.key = RSAKey.generate_key(2048, parameters={"kid": "first"})
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.url + path

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- what it is -----------------------------------------------------------------------------------------------

    def rotate(self) -> None:
        """Another key in place of the one there was."""
        self.key = RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(4)})

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def signed_with_its_public_key(self, claims: dict[str, Any]) -> str:
        """HS256 under the public key as everybody sees it (RFC 8725 §2.1)."""
        signed = f"{encoded({'alg': 'HS256', 'kid': self.key.kid})}.{encoded(claims)}"
        tag = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64url(tag)}"

    def unsigned(self, claims: dict[str, Any]) -> str:
        return f"{encoded({'alg': 'none'})}.{encoded(claims)}."

    def authorize(self, url: str) -> dict[str, str]:
        """A browser arrives; what it takes back to the callback."""
        asked = dict(parse_qsl(urlsplit(url).query))
        self.asked.setdefault("/authorize", []).append(asked)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        if self.documented.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.issuer
        self.answer(answer)
        return answer

    # -- what it answers ------------------------------------------------------------------------------------------

    def get(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        if path.endswith("/.well-known/openid-configuration"):
            return 200, self._document()
        if path == "/jwks":
            return 200, {"keys": [self.key.as_dict(private=False, use="sig", alg="RS256")]}
        self.headers.append(headers)
        if headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return 401, {"message": "Bad credentials"}
        if path == "/userinfo":
            return 200, self.person if self.userinfo is None else self.userinfo
        if path == "/emails" and self.emails is not None:
            return 200, self.emails
        return 404, {}

    def token(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        self.headers.append(headers)
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked.get("redirect_uri") != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        if asked.get("code_challenge") != pkce_challenge(form.get("code_verifier", "")):
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        self._tokens.add(access_token)
        answer = {"access_token": access_token, "token_type": "bearer", "expires_in": 60, "refresh_token": "never kept"}
        if "openid" in asked.get("scope", "").split():
            answer["id_token"] = self.sign(self._claims(asked, access_token))
        return 200, answer

    def _claims(self, asked: dict[str, str], access_token: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "at_hash": left_half(access_token, "RS256"),
            **({"nonce": asked["nonce"]} if "nonce" in asked else {}),
            **self.person,
        }
        self.alter(claims)
        return claims

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            **self.documented,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/authorize":
                    return self._back()
                return self._answer(path, lambda: provider.get(path, self._sent()))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = dict(parse_qsl(body))
                provider.asked.setdefault(self.path, []).append(form)
                self._answer(self.path, lambda: provider.token(form, self._sent()))

            def _back(self) -> None:
                asked = dict(parse_qsl(urlsplit(self.path).query))
                self.send_response(302)
                self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(provider.authorize(self.path))}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _answer(self, path: str, made: Callable[[], tuple[int, Any]]) -> None:
                provider.slow()
                status, document = (503, {}) if path in provider.down else made()
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _sent(self) -> dict[str, str]:
                return {name.lower(): value for name, value in self.headers.items()}

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


def apple_key() -> str:
    """A key as Apple gives out to sign client secrets."""
    return ECKey.generate_key("P-256").as_pem(private=True).decode()
