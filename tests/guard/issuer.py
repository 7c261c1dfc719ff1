"""An issuer's server that can be told to misbehave, and counts what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.guard.minting import EC, jwks

METADATA = "/.well-known/oauth-authorization-server"
Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Issuer:
    """`behave` answers requests for the keys; the default sends them with `max_age`."""

    def __init__(self) -> None:
        self.keys = jwks(EC)
        self.max_age: int | None = 300
        self.behave: Behaviour = self.send_keys
        self.asked = 0
        self.active: dict[str, dict[str, Any]] = {}
        self.asked_about: list[tuple[str, BaseHTTPRequestHandler]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def do_POST(self) -> None:
                outer.introspect(self)

            def log_message(self, *_arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == METADATA:
            body = json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}).encode()
            return send(handler, 200, body)
        with self._lock:
            self.asked += 1
        return self.behave(handler)

    def introspect(self, handler: BaseHTTPRequestHandler) -> None:
        """RFC 7662 at any path: what `active` says of the token."""
        form = parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
        token = form["token"][0]
        self.asked_about.append((token, handler))
        told = {"active": True, **self.active[token]} if token in self.active else {"active": False}
        send(handler, 200, json.dumps(told).encode(), **{"Content-Type": "application/json"})

    def send_keys(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {} if self.max_age is None else {"Cache-Control": f"public, max-age={self.max_age}"}
        send(handler, 200, self.keys, **headers)


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.server.shutdown()
        issuer.server.server_close()
