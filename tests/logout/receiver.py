"""An app that wants to hear of logouts: a real HTTP server that keeps what it is sent, and fails when told to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet

PATH = "/backchannel"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True)
class Posted:
    """One request."""

    target: str
    content_type: str
    form: dict[str, list[str]]

    @property
    def token(self) -> str:
        assert self.form.keys() == {"logout_token"}
        [token] = self.form["logout_token"]
        return token


class ListeningApp:
    """`answers` are the statuses of the next requests, 200 after that."""

    def __init__(self, *answers: int, port: int = 0) -> None:
        self.answers = list(answers)
        self.posted: list[Posted] = []
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.uri = f"{self.origin}{PATH}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int = 1) -> list[Posted]:
        """The requests, once there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.posted) >= count, timeout=30), self.posted
            return list(self.posted)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
                posted = Posted(self.path, self.headers["Content-Type"], parse_qs(body, strict_parsing=True))
                with app._news:
                    status = app.answers.pop(0) if app.answers else 200
                    app.posted.append(posted)
                    app._news.notify_all()
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header("Location", f"{app.origin}/elsewhere")
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


def checked(token: str, jwks: Any, *, issuer: str, client_id: str, now: int, alg: str = "RS256") -> dict[str, Any]:
    """The claims of a logout token that an app would accept (Back-Channel Logout §2.6)."""
    read = jwt.decode(token, KeySet.import_key_set(jwks), algorithms=[alg])
    assert read.header == {"typ": "logout+jwt", "alg": alg, "kid": read.header["kid"]}
    claims = read.claims
    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"}
    assert (claims["iss"], claims["aud"], claims["events"]) == (issuer, client_id, {EVENT: {}})
    assert 0 <= now - claims["iat"] <= 60
    assert claims["exp"] == claims["iat"] + 120
    return claims
