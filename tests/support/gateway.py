"""What stands before services that run apart: one address, and each path goes to the service it belongs to."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests

_SERVICES = (
    (re.compile(r"/v\d+/users|/events$|/\.well-known/oauth-protected-resource$"), "users"),
    (re.compile(r"/v\d+/(orders|payment-events)|/v2/operations/oop_"), "orders"),
    (re.compile(r"/"), "payments"),
)
_NOT_HANDED_ON = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class Gateway:
    """`services` are URLs by name; one that is not there is a 503."""

    def __init__(self, services: Mapping[str, str]) -> None:
        self._services = services
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def target(self, path: str) -> str:
        """Where a path is answered."""
        return self._services[next(name for pattern, name in _SERVICES if pattern.match(path))] + path

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _hand_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_HANDED_ON}
                try:
                    answer = requests.request(
                        self.command,
                        gateway.target(self.path),
                        data=body,
                        headers=headers,
                        timeout=30,
                        allow_redirects=False,
                    )
                except requests.ConnectionError:
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _NOT_HANDED_ON:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _hand_on

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
