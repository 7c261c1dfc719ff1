"""What stands before services that run apart: one address, and each path goes to the service it belongs to, as in `deploy/nginx`."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_PARTS = "openapi|.well-known/oauth-protected-resource"
_PAYMENTS = "payments|order-events|operations|webhook-endpoints|events|condition|dead-letters"
_SERVICES = (
    (re.compile(rf"/(v\d+/(orders|payment-events)|({_PARTS}|events)/orders)(/|\?|$)|/v2/operations/oop_"), "orders"),
    (re.compile(rf"/(v\d+/({_PAYMENTS})|provider-callbacks|({_PARTS}|events)/payments)(/|\?|$)"), "payments"),
    (re.compile(""), "users"),
)
_NOT_HANDED_ON = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_WITHOUT_BODY = {"GET", "HEAD", "DELETE", "OPTIONS"}
_PATIENCE = 30


class Gateway(ThreadingHTTPServer):
    """`services` are URLs by name; one that is not there is a 503."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, services: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _HandOn)
        self._places = {name: urlsplit(url).netloc for name, url in services.items()}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    def place(self, path: str) -> str:
        """Where a path is answered."""
        return self._places[next(name for pattern, name in _SERVICES if pattern.match(path))]


class _HandOn(BaseHTTPRequestHandler):
    """Every request as it came to its service, and the answer back."""

    protocol_version = "HTTP/1.1"
    server: Gateway

    def hand_on(self) -> None:
        path, body = self.raw_requestline.split()[1].decode("latin-1"), self._body()
        with contextlib.closing(HTTPConnection(self.server.place(path), timeout=_PATIENCE)) as service:
            try:
                self._ask(service, path, body)
                answer = service.getresponse()
                self._answer(answer.status, answer.getheaders(), answer.read())
            except (OSError, HTTPException):
                self._answer(503, [], b"")

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_PUT = do_OPTIONS = hand_on

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _ask(self, service: HTTPConnection, path: str, body: bytes) -> None:
        service.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_HANDED_ON:
                service.putheader(name, value.encode("latin-1"))
        if body or self.command not in _WITHOUT_BODY:
            service.putheader("Content-Length", str(len(body)))
        service.endheaders(body or None)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _NOT_HANDED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass
