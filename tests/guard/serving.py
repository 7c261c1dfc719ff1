"""Real servers for guarded applications, each in a thread."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from token_guard import Guard, Principal
from token_guard.adapters.flask import FlaskGuard
from werkzeug.serving import make_server


@contextmanager
def wsgi(application: Any, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a WSGI application."""
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def flask_app(guard: Guard) -> Flask:
    """An API with one guarded view, at /payments."""
    app = Flask("guarded")
    guarded = FlaskGuard(guard)

    @app.route("/payments", methods=["GET", "POST"])
    @guarded("read")
    def payments(principal: Principal) -> dict[str, str]:
        return {"owner": principal.subject}

    return app
