"""One declaration an operation: path, method, what it needs of its caller and of the request. It enforces, and it is what the documents say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from flask import Flask, Response, after_this_request, request
from pydantic import BaseModel
from token_guard import Needs, Principal
from token_guard.adapters.flask import FlaskGuard
from werkzeug.routing import BaseConverter, Map

from resource_server.api import problems, tracing
from resource_server.api.bodies import MAX_BODY
from resource_server.api.permissions import Cells, access
from resource_server.api.problems import Problem, not_found
from resource_server.api.rates import Rates, too_many
from resource_server.platform import deadlines
from resource_server.platform.metrics import Metrics

View = Callable[..., Any]
_JSON = "application/json"
READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its JSON Schema, and what it is for."""

    name: str
    schema: Mapping[str, Any]
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """What the documents say of an operation beyond what it needs: `answers` by status, and the codes of problems it has of its own."""

    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    query: tuple[Query, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An endpoint. `needs` None: open to everybody, which is said on purpose; else a token that meets them.

    With `cells` the matrix decides as well, and the view gets `access` in place of `principal`. `key`: it takes an Idempotency-Key.
    `tagged`: its answer has an ETag, or (`match`) it changes what the caller names in If-Match. `between`: only our own services ask for it,
    so it has no budget.
    """

    method: str
    path: str
    needs: Needs | None
    view: View
    cells: Cells | None = None
    key: Literal["optional", "required"] | None = None
    tagged: Literal["shown", "match"] | None = None
    produces: str = _JSON
    doc: Doc | None = None
    between: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def version(self) -> str | None:
        """`v1`, `v2`; None for what has none."""
        first = self.path.split("/")[1]
        return first if first[:1] == "v" and first[1:].isdigit() else None

    @property
    def collection(self) -> str:
        """What it is about, in a version: the `orders` of `/v1/orders/...`."""
        return self.path.split("/")[2]

    def of_service(self, audiences: tuple[str, ...]) -> Operation:
        """The same, for tokens of these audiences only."""
        return self if self.needs is None else replace(self, needs=replace(self.needs, audiences=audiences))


@dataclass(frozen=True, slots=True)
class Mounting:
    """What the operations of one service are mounted with."""

    service: str
    guarded: FlaskGuard
    rates: Rates
    metrics: Metrics


class Prefixed(BaseConverter):
    """`<prefixed(oop):id>`: an id that begins with `oop_`, so that several services answer under one path."""

    weight = 50
    """Before what takes any id."""

    def __init__(self, url_map: Map, prefix: str) -> None:
        super().__init__(url_map)
        self.regex = f"{prefix}_[^/]+"


def prepare(app: Flask) -> None:
    """What holds for every request, whatever it asks for."""
    problems.install(app)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY + 1)
    app.url_map.converters["prefixed"] = Prefixed
    app.url_map.merge_slashes = False  # it would redirect, to whatever Host the request named
    app.before_request(_refuse_malformed)
    app.after_request(_harden)


def mount(app: Flask, operations: Iterable[Operation], mounting: Mounting) -> None:
    """Put operations behind the guard of their service; they are the only way into `app`."""
    for operation in operations:
        view = operation.view if operation.needs is None else _guarded(operation, operation.needs, mounting)
        app.add_url_rule(
            operation.path,
            operation.name,
            view,
            methods=[operation.method],
            provide_automatic_options=False,
        )


def _guarded(operation: Operation, needs: Needs, mounting: Mounting) -> View:
    """The view behind its checks, in their order: token and scope, budget, matrix, and what the headers must say."""

    def checked(principal: Principal, **arguments: Any) -> Any:
        if not operation.between:
            _spend(operation, principal, mounting)
        allowed = None if operation.cells is None else access(principal, operation.cells)
        _check_headers(operation)
        if operation.version == "v1":
            mounting.metrics.count("calls_of_v1", client=principal.client_id, service=mounting.service)
        if allowed is None:
            return operation.view(principal=principal, **arguments)
        return operation.view(access=allowed, **arguments)

    return mounting.guarded(needs=needs)(checked)


def _spend(operation: Operation, principal: Principal, mounting: Mounting) -> None:
    spent = mounting.rates.spend(mounting.service, principal, reading=operation.method in READING)
    if spent is not None:
        if spent.over:
            raise too_many(spent)
        after_this_request(spent.tell)


def _check_headers(operation: Operation) -> None:
    """What can be refused before the body is read (RFC 9110 §12.5.1, §13.1.1)."""
    if "Accept" in request.headers and not request.accept_mimetypes.best_match(
        [operation.produces, problems.CONTENT_TYPE]
    ):
        raise Problem(406, "not_acceptable", f"This is answered in {operation.produces}.")
    if operation.key == "required" and "Idempotency-Key" not in request.headers:
        raise Problem(400, "idempotency_key_missing", "This operation needs the header Idempotency-Key.")
    if operation.tagged == "match" and "If-Match" not in request.headers:
        raise Problem(428, "precondition_required", "Say in If-Match which version you change.")


def _refuse_malformed() -> None:
    """NUL reaches no database; what is too late is not begun."""
    if "\x00" in request.path or "%00" in request.query_string.decode("latin-1"):
        raise Problem(400, "malformed", "The request has control characters.")
    if "//" in request.environ["PATH_INFO"]:
        raise not_found()
    _expect_time()


def _expect_time() -> None:
    try:
        deadlines.parsed(request.headers.get(deadlines.HEADER, "1"))
    except ValueError as error:
        raise Problem(400, "malformed", f"{deadlines.HEADER} is a number of seconds.") from error
    deadlines.check()


def _harden(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = tracing.request_id()
    trace = tracing.trace()
    if trace is not None:
        response.headers["traceparent"] = trace.traceparent
    return response
