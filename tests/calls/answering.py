"""A service that answers as it is told, over real HTTP, real gRPC or a real broker."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from token_guard import Guard, IssuerTrust

from resource_server.api.operation import Operation
from resource_server.calls.lines import open_line
from resource_server.calls.messages import Messages
from resource_server.calls.rest import ROUTES, Rest
from resource_server.calls.rpc import Rpc
from resource_server.calls.transport import Transport
from resource_server.rpc.listening import Listener
from resource_server.rpc.server import build_server

OPERATIONS = [Operation(route.method, route.path, None, lambda: None) for route in ROUTES.values()]
"""Every action, for everybody."""
NOBODY = Guard(IssuerTrust("http://127.0.0.1:9", "http://127.0.0.1:9"))
Script = Callable[["Asked"], tuple[int, Any]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Answering:
    """`script` decides each answer; `asked` are the requests so far."""

    rounding = 0.0
    """How many seconds more than its caller waits a service may be told: what its transport rounds up."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def transport(self) -> Transport:
        """How it is asked."""
        return Rest(self.url)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, json.loads(body) if body else None)
                service.asked.append(asked)
                status, document = service.script(asked)
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


class AnsweringRpc(Answering):
    """The same as a gRPC server that lets everybody in."""

    rounding = 0.01  # gRPC sends hundredths from one second on, and never less than is left

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._rpc, port = build_server(
            self._application, OPERATIONS, NOBODY, address="127.0.0.1:0", threads=4, tls=None
        )
        self.url = f"grpc://127.0.0.1:{port}"

    def transport(self) -> Transport:
        return Rpc(self.url)

    def __enter__(self) -> Self:
        self._rpc.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._rpc.stop(None).wait()

    def _application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        path = environ["REQUEST_URI"] + query
        asked = Asked(environ["REQUEST_METHOD"], path, headers, json.loads(body) if body else None)
        self.asked.append(asked)
        status, document = self.script(asked)
        start(f"{status} It", [])
        return [document if isinstance(document, bytes) else json.dumps(document).encode()]


class AnsweringQueue(AnsweringRpc):
    """The same behind a broker, under a name of its own."""

    rounding = 0.0

    def __init__(self, broker: str, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._broker, self._name = broker, f"payments-{secrets.token_hex(4)}"
        self._listener = Listener(open_line(broker), [self._name], self._application, OPERATIONS, NOBODY)

    def transport(self) -> Transport:
        return Messages(open_line(self._broker), self._name)

    def __enter__(self) -> Self:
        self._listener.start(threads=2)
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.stop()
