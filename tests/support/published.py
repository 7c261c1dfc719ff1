"""A web site of somebody else's: documents by path, served over real HTTP on 127.0.0.1, with a memory of what was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Document:
    """What one path answers; `before` runs first, to wait or to count."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    before: Callable[[], object] = lambda: None


class Site:
    """Serves `documents`, over TLS with a certificate and its key (files); `asked` holds the paths in the order they were fetched."""

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        self.documents: dict[str, Document] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, path: str, document: Any, **changes: Any) -> str:
        """Put a JSON document (or bytes) at a path; returns its URL."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.documents[path] = Document(body, **changes)
        return self.url + path

    def times(self, path: str) -> int:
        """How often a path was fetched."""
        return self.asked.count(path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                found = site.documents.get(self.path, Document(b"", status=404))
                found.before()
                self.send_response(found.status)
                self.send_header("Content-Type", found.content_type)
                self.send_header("Content-Length", str(len(found.body)))
                self.end_headers()
                self.wfile.write(found.body)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
