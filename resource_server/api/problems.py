"""Errors as problem details (RFC 9457), every one with a trace id; no input gets another 500 than this."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from token_guard import GuardError
from werkzeug.exceptions import HTTPException

from resource_server.api import tracing
from resource_server.api.catalogue import BY_STATUS, CATALOGUE
from resource_server.platform import deadlines
from resource_server.platform.deadlines import Passed
from resource_server.platform.store import Busy

CONTENT_TYPE = "application/problem+json"
LATE = "The time for this was over before it was done."
log = structlog.get_logger("rs")


class Problem(Exception):
    """An answer that is not what was asked for; `code` is a row of the catalogue.

    `errors` point at what is wrong in the body (RFC 6901); `more` are further members (RFC 9457 §3.2).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.more = more or {}

    def document(self, *, instance: str, trace_id: str) -> dict[str, Any]:
        """The problem as JSON, wherever it is shown: in an answer, or as the error of an operation."""
        kind = CATALOGUE[self.code]
        document = {
            "type": f"/problems/{self.code}",
            "title": kind.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "trace_id": trace_id,
            "retryable": kind.retryable,
            **self.more,
        }
        return {**document, "errors": list(self.errors)} if self.errors else document


def trace_id() -> str:
    """How this request is known in the log."""
    return tracing.request_id()


def not_found() -> Problem:
    """The same for what does not exist and what is somebody else's."""
    return Problem(404, "not_found", "There is no such thing.")


def response_of(problem: Problem) -> Response:
    """The problem as an answer."""
    document = problem.document(instance=request.path, trace_id=trace_id())
    response = Response(json.dumps(document), problem.status, content_type=CONTENT_TYPE)
    response.headers.update(problem.headers)
    return response


def too_late() -> Response:
    """Nobody waits for the answer any more."""
    log.info("too late", path=request.path)
    return response_of(Problem(503, "deadline_passed", LATE, headers={"Retry-After": "1"}))


def refused(error: GuardError) -> Response:
    """What the guard refused, as a problem with its challenge; the reason goes to the log."""
    log.info("refused", check=error.check, reason=error.reason, status=error.status, request_id=trace_id())
    if error.status == 503 and deadlines.passed():
        return too_late()
    detail = error.description or "An access token is needed."
    problem = Problem(error.status, error.code or "unauthorized", detail, headers=error.headers())
    return response_of(problem)


def install(app: Flask) -> None:
    """Every error that reaches Flask becomes a problem; nothing of its detail is shown."""

    @app.errorhandler(Problem)
    def _ours(problem: Problem) -> Response:
        return response_of(problem)

    @app.errorhandler(GuardError)
    def _guard(error: GuardError) -> Response:
        return refused(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
        code = BY_STATUS.get(status, "internal" if status >= 500 else "malformed")
        return response_of(Problem(status, code, CATALOGUE[code].help, headers=headers))

    @app.errorhandler(Passed)
    def _late(_error: Exception) -> Response:
        return too_late()

    @app.errorhandler(Busy)
    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeout)
    def _busy(error: Exception) -> Response:
        if deadlines.passed():
            return too_late()
        log.warning("database", error=type(error).__name__)
        return response_of(Problem(503, "unavailable", "The service is busy.", headers={"Retry-After": "2"}))

    @app.errorhandler(Exception)
    def _unexpected(_error: Exception) -> Response:
        log.exception("unexpected", request_id=trace_id())
        return response_of(Problem(500, "internal", "Something went wrong on our side."))
