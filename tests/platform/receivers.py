"""A service that is told of events: a real HTTP server that writes down what it gets and fails when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt


class ReceiverServer:
    """`answers` are the statuses of the next requests, 202 after that; `before` is called with each token."""

    def __init__(self, *answers: int, before: Callable[[str], None] | None = None) -> None:
        self.answers = list(answers)
        self.before = before
        self.tokens: list[str] = []
        self.types: list[str | None] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sequences(self) -> list[int]:
        return [int(claims["txn"]) for claims in self.claims]

    @property
    def claims(self) -> list[dict[str, Any]]:
        return [jwt.decode(token, options={"verify_signature": False}) for token in self.tokens]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                token = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if receiver.before is not None:
                    receiver.before(token)
                receiver.types.append(self.headers["Content-Type"])
                status = receiver.answers.pop(0) if receiver.answers else 202
                if status == 202:
                    receiver.tokens.append(token)
                self.send_response(status)
                self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
