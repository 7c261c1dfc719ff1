"""The edge: WSGI in, `Call`s to the endpoints, `Answer`s out, with limits, CORS, request ids, the access log and metrics.

`Front` answers the protocol routes without a framework and passes everything else to Flask. The same `Gate` stands before both.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, request

from idp.errors import IdpError
from idp.platform import traces
from idp.platform.accesslog import AccessLog
from idp.platform.forms import MAX_BODY, MAX_URL
from idp.platform.http import Answer, Call, Endpoint, json_answer
from idp.platform.ids import RandomBytes
from idp.platform.peers import is_among
from idp.platform.telemetry import REFUSED, Metrics
from idp.settings import Network

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PLAIN = (("X-Content-Type-Options", "nosniff"),)
_OPEN = (
    *_PLAIN,
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce, Retry-After, ETag"),
)
_HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
log = structlog.get_logger("idp.web")


@dataclass(frozen=True, slots=True)
class Route:
    """A protocol endpoint: where it stands, which methods it answers, and whether browsers of other origins may call it.

    A path may end in one `<part>` that varies: such a route is found by Flask, which takes a little longer.
    """

    path: str
    endpoint: Endpoint
    methods: frozenset[str]
    cors: bool = False
    absolute: bool = False

    @property
    def always(self) -> tuple[tuple[str, str], ...]:
        """The headers of its every answer."""
        return _OPEN if self.cors else _PLAIN

    def below(self, prefix: str) -> Route:
        """The same route under a path, unless its place is fixed by a specification."""
        return self if self.absolute or not prefix else replace(self, path=prefix + self.path)


@dataclass(slots=True)
class Gate:
    """What every request passes: peer, request id, size limits, the last error handler, one log line and the counters."""

    trusted_proxies: Sequence[Network]
    metrics: Metrics
    secure: bool
    access_log: AccessLog | None
    random: RandomBytes

    def peer_of(self, environ: Environ) -> str:
        """The client's address: the connection's, or the nearest untrusted one in `X-Forwarded-For` behind trusted proxies."""
        peer: str = environ.get("REMOTE_ADDR", "")
        if not self.trusted_proxies:
            return peer
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        while hops and is_among(peer, self.trusted_proxies):
            candidate = hops.pop()
            if not _is_address(candidate):
                break
            peer = candidate
        return peer

    def record(self, environ: Environ, status: int, started: float, request_id: str, peer: str, name: str) -> None:
        """One JSON line and one observation, and why it was refused if it was; the query string is never logged."""
        now = time.perf_counter()
        seconds = now - started
        self.metrics.observe_request(name, status, seconds)
        if (refused := environ.get(REFUSED)) is not None:
            self.metrics.count_refusal(name, refused)
        if self.access_log is not None:
            method, path = _text(environ["REQUEST_METHOD"]), _text(environ.get("PATH_INFO", ""))
            trace = traces.trace_id(environ.get("HTTP_TRACEPARENT"), request_id)
            line = (
                f'{{"timestamp":"{_timestamp()}","level":"info","event":"request","method":{method},"path":{path},'
                f'"status":{status},"ms":{seconds * 1000:.2f},"peer":{_text(peer)},"request_id":{_text(request_id)},'
                f'"trace_id":"{trace}"}}\n'
            )
            self.access_log.add(line, now)


_text = json.encoder.encode_basestring_ascii


def _timestamp() -> str:
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(second)}.{millisecond:03d}+00:00"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class _Headers(Mapping[str, str]):
    """The request's headers by lower-case name, read from the WSGI environment when asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_variable(name)]
        return value

    def get(self, name: str, default: Any = None) -> Any:
        return self._environ.get(_variable(name), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _variable(name) in self._environ

    def __iter__(self) -> Iterator[str]:
        return (name[5:].lower().replace("_", "-") for name in self._environ if name.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def _variable(name: str) -> str:
    return "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")


def request_id_of(environ: Environ, random: RandomBytes) -> str:
    """The caller's `X-Request-Id` when it is harmless, else a new one."""
    given: str | None = environ.get("HTTP_X_REQUEST_ID")
    return given if given is not None and _REQUEST_ID.match(given) else random.draw().hex()


def read_body(environ: Environ) -> bytes | None:
    """The request body, or None when it is larger than we read."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return None
    if not 0 <= length <= MAX_BODY:
        return None
    if length == 0 and "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    body: bytes = environ["wsgi.input"].read(length or MAX_BODY + 1)
    return body if len(body) <= MAX_BODY else None


def call_of(environ: Environ, peer: str, request_id: str, body: bytes) -> Call:
    """The request without the framework."""
    return Call(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        query=environ.get("QUERY_STRING", "").encode("latin-1"),
        headers=_Headers(environ),
        body=body,
        peer=peer,
        request_id=request_id,
        certificate=environ.get("idp.client_certificate"),
    )


class Front:
    """A WSGI application that answers `routes` itself and passes the rest to `behind`."""

    def __init__(self, behind: WsgiApp, routes: Iterable[Route], gate: Gate) -> None:
        self._behind = behind
        self._routes = {route.path: route for route in routes}
        self._gate = gate
        self._always = (_HSTS,) if gate.secure else ()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        peer, request_id = self._gate.peer_of(environ), request_id_of(environ, self._gate.random)
        traces.begin(environ.get("HTTP_TRACEPARENT"), request_id)
        route = self._routes.get(environ.get("PATH_INFO", ""))
        if route is None:
            return self._pass_on(environ, start_response, started, peer, request_id)
        answer = serve_route(route, environ, peer, request_id)
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body
        headers = self._headers(answer, route, request_id)
        start_response(_STATUS_LINES[answer.status], headers)
        self._gate.record(environ, answer.status, started, request_id, peer, route.path)
        return [body]

    def _headers(self, answer: Answer, route: Route, request_id: str) -> list[tuple[str, str]]:
        headers = [*answer.headers.items(), *route.always, *self._always, ("X-Request-Id", request_id)]
        if answer.status not in _NO_BODY:
            headers.append(("Content-Length", str(len(answer.body))))
        return headers

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, started: float, peer: str, request_id: str
    ) -> Iterable[bytes]:
        environ["idp.peer"], environ["idp.request_id"] = peer, request_id
        seen = {"status": 500}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            seen["status"] = int(status[:3])
            return start_response(status, [*headers, *self._always, ("X-Request-Id", request_id)], exc_info)

        result = self._behind(environ, start)
        self._gate.record(environ, seen["status"], started, request_id, peer, environ.get("idp.endpoint", "other"))
        return result


class PlainFlask(Flask):
    """Flask without coroutines: it looks for them at every call of a view or a hook, and here is none."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return func


def mount(app: Flask, routes: Iterable[Route]) -> None:
    """The same routes as Flask views, for servers that call Flask alone; one implementation, one behaviour. Pages are counted by their rule, too."""
    app.after_request(_name)
    for route in routes:
        app.add_url_rule(route.path, route.path, _view_of(route), methods=_ALL_METHODS, provide_automatic_options=False)


def _name(response: Response) -> Response:
    if request.url_rule is not None:
        request.environ["idp.endpoint"] = request.url_rule.rule
    return response


def _view_of(route: Route) -> Callable[[], Response]:
    def view(**_parts: str) -> Response:
        environ = request.environ
        peer, request_id = environ.get("idp.peer", ""), environ.get("idp.request_id", "")
        answer = serve_route(route, environ, peer, request_id)
        response = Response(answer.body, answer.status)
        del response.headers["Content-Type"]
        response.headers.extend([*answer.headers.items(), *route.always])
        return response

    return view


def serve_route(route: Route, environ: Environ, peer: str, request_id: str) -> Answer:
    """Method and size checks, then the endpoint; whatever it raises becomes a standard answer."""
    method = environ["REQUEST_METHOD"]
    if route.cors and method == "OPTIONS":
        return Answer(204, headers=_preflight(route))
    if method not in route.methods and not (method == "HEAD" and "GET" in route.methods):
        return _refusal(405, "invalid_request", {"Allow": ", ".join(sorted(route.methods))})
    if len(environ.get("QUERY_STRING", "")) > MAX_URL:
        return _refusal(414, "invalid_request")
    body = read_body(environ)
    if body is None:
        return _refusal(413, "invalid_request", {"Connection": "close"})
    try:
        return route.endpoint(call_of(environ, peer, request_id, body))
    except IdpError as error:
        environ[REFUSED] = error.code or "unauthorized"
        return error_answer(error, request_id)
    except Exception:
        environ[REFUSED] = "server_error"
        log.exception("unexpected", request_id=request_id, path=route.path)
        return _refusal(500, "server_error")


def error_answer(error: IdpError, request_id: str) -> Answer:
    """The standard JSON form of an error (RFC 6749 §5.2); its private detail goes to the log."""
    if error.detail:
        log.info("refused", code=error.code, detail=error.detail, request_id=request_id)
    if error.status == HTTPStatus.UNAUTHORIZED and error.code == "":
        return Answer(401, b"", {"Cache-Control": "no-store", **error.headers})
    document = {"error": error.code}
    if error.description:
        document["error_description"] = error.description
    return json_answer(document, error.status, error.headers)


def _refusal(status: int, code: str, headers: Mapping[str, str] | None = None) -> Answer:
    return json_answer({"error": code, "error_description": HTTPStatus(status).phrase}, status, headers)


def _preflight(route: Route) -> dict[str, str]:
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(route.methods)),
        "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
        "Access-Control-Max-Age": "86400",
        "Vary": "Origin",
    }


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
