"""One declaration an operation: path, method and what it needs of its caller, which enforces. What is not declared cannot be mounted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask, Response, request
from token_guard import Needs
from token_guard.adapters.flask import FlaskGuard

from resource_server.api.bodies import MAX_BODY
from resource_server.api.problems import Problem, not_found

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """An endpoint. `needs` None: open to everybody, which is said on purpose; else a token that meets them."""

    method: str
    path: str
    needs: Needs | None
    view: View

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def of_service(self, audiences: tuple[str, ...]) -> Operation:
        """The same, for tokens of these audiences only."""
        return self if self.needs is None else replace(self, needs=replace(self.needs, audiences=audiences))


def prepare(app: Flask) -> None:
    """What holds for every request, whatever it asks for."""
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY + 1)
    app.url_map.merge_slashes = False  # it would redirect, to whatever Host the request named
    app.before_request(_refuse_malformed)
    app.after_request(_harden)


def mount(app: Flask, operations: Iterable[Operation], guarded: FlaskGuard) -> None:
    """Put operations behind the guard of their service; they are the only way into `app`."""
    for operation in operations:
        view = operation.view if operation.needs is None else guarded(needs=operation.needs)(operation.view)
        app.add_url_rule(
            operation.path,
            operation.name,
            view,
            methods=[operation.method],
            provide_automatic_options=False,
        )


def _refuse_malformed() -> None:
    """NUL reaches no database; a body that is not what it says is refused before it is read."""
    if "\x00" in request.path or "%00" in request.query_string.decode("latin-1"):
        raise Problem(400, "malformed", "The request has control characters.")
    if "//" in request.environ["PATH_INFO"]:
        raise not_found()


def _harden(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = request.environ.get("rs.request_id", "-")
    return response
