"""Configuration servers to read from: OpenBao's KV store, version 2, as its HTTP API describes it, and a Spring Cloud Config server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "s.this-opens-the-store"


class Store:
    """What is kept in one place of one store; `asked` are the requests that came, `status` what it answers instead while it is ill."""

    def __init__(self, **values: str) -> None:
        self.version = 1
        self.values: dict[str, str] = dict(values)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status: int | None = None

    def put(self, **values: str) -> None:
        """Another version, with these members changed."""
        self.values = {**self.values, **values}
        self.version += 1

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append((path, {name.lower(): value for name, value in headers.items()}))
        if self.status is not None:
            return self.status, {"errors": []}
        return self.found(path, self.asked[-1][1])

    def found(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """As OpenBao: `GET /v1/secret/data/idp`, opened by X-Vault-Token."""
        if headers.get("x-vault-token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if path != "/v1/secret/data/apps/idp":
            return 404, {"errors": []}
        metadata = {
            "created_time": "2026-11-25T00:00:00Z",
            "deletion_time": "",
            "destroyed": False,
            "version": self.version,
        }
        return 200, {"request_id": "1", "lease_id": "", "data": {"data": self.values, "metadata": metadata}}


class Spring(Store):
    """As Spring Cloud Config: `GET /idp/production`, a general source below a special one."""

    def found(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        if headers.get("authorization") != "Basic Y29uZmlnOmh1bnRlcjI=":
            return 401, {"error": "Unauthorized"}
        if path != "/idp/production":
            return 404, {"error": "Not Found"}
        general = {"name": "application.yml", "source": {"idp.name": "Everybody", "idp.signup-max": 3}}
        special = {"name": "idp-production.yml", "source": self.values}
        return 200, {"name": "idp", "profiles": ["production"], "propertySources": [special, general]}


@contextmanager
def serving(store: Store, port: int = 0) -> Iterator[int]:
    """The port at which it answers, over real HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = store.answer(self.path, self.headers)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
