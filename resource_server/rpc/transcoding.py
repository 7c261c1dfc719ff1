"""A gRPC call as the request of the REST operation it stands for, within this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import grpc
from werkzeug.test import EnvironBuilder, run_wsgi_app

from resource_server.api.edge import WsgiApp
from resource_server.calls.rest import DEADLINE, Route, placed
from resource_server.calls.rpc import KEY, PROBLEM, STATUS, TRACE
from resource_server.calls.shapes import Method, to_document, to_message

_CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    410: grpc.StatusCode.UNIMPLEMENTED,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_TAKEN = {
    "authorization": "Authorization",
    KEY: "Idempotency-Key",
    TRACE: "traceparent",
    "x-request-id": "X-Request-Id",
}
"""What of the metadata becomes a header; nothing else does."""
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers one method by the operation at `route` of `application`."""

    application: WsgiApp
    route: Route
    method: Method

    def __call__(self, asked: Any, context: grpc.ServicerContext) -> Any:
        path, arguments = placed(self.route.path, to_document(asked, absent=False))
        status, document = self._answered(path, arguments, context)
        context.set_trailing_metadata(_told(status, document))
        if status >= 400:
            context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), str(document.get("detail", "")))
        try:
            return to_message(document, self.method.answered)
        except ValueError:
            context.abort(grpc.StatusCode.INTERNAL, "")
            raise

    def _answered(
        self, path: str, arguments: Mapping[str, Any], context: grpc.ServicerContext
    ) -> tuple[int, Mapping[str, Any]]:
        reading = self.route.method == "GET"
        builder = EnvironBuilder(
            path=path,
            method=self.route.method,
            query_string=urlencode(arguments) if reading else "",
            data=None if reading else json.dumps(arguments).encode(),
            content_type=None if reading else _JSON,
            headers=_headers(context).items(),
        )
        try:
            body, status, _headers_sent = run_wsgi_app(self.application, builder.get_environ(), buffered=True)
        finally:
            builder.close()
        return int(status.partition(" ")[0]), _document(b"".join(body), context)


def _document(data: bytes, context: grpc.ServicerContext) -> Mapping[str, Any]:
    """The JSON object that an operation answers; aborts the call for what is none."""
    try:
        document = json.loads(data) if data else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        context.abort(grpc.StatusCode.INTERNAL, "")
        raise AssertionError("abort does not return")
    return document


def _headers(context: grpc.ServicerContext) -> dict[str, str]:
    headers = {"Accept": _JSON}
    for name, value in context.invocation_metadata() or ():
        if name in _TAKEN and isinstance(value, str):
            headers[_TAKEN[name]] = value
    left = context.time_remaining()
    if left is not None:
        headers[DEADLINE] = f"{left:.3f}"
    return headers


def _told(status: int, document: Mapping[str, Any]) -> tuple[tuple[str, str | bytes], ...]:
    problem = ((PROBLEM, json.dumps(document).encode()),) if status >= 400 else ()
    return ((STATUS, str(status)), *problem)
