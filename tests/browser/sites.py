"""Sites of apps for a browser to visit: `localhost`, to browsers another site than the identity provider's `127.0.0.1`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

PAGE = "<!doctype html><title>App</title><link rel=icon href='data:,'><h1>The app</h1>"


class Site:
    """Answers every path with a page; `hangs` are paths that get no answer until the site closes, `pages` other bodies."""

    def __init__(self, *, hangs: tuple[str, ...] = (), pages: Mapping[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self._hangs = hangs
        self._pages = pages or {}
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                path = self.path.partition("?")[0]
                if path in site._hangs:
                    site._closing.wait(60)
                    return
                body = site._pages.get(path, PAGE).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
