"""A gRPC call, carried to the REST operation it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from resource_server.api.edge import WsgiApp
from resource_server.calls.rest import Route
from resource_server.calls.rpc import PROBLEM, STATUS
from resource_server.calls.shapes import Method, to_document, to_message
from resource_server.platform import deadlines
from resource_server.rpc.carrying import NoDocument, carried

_LONGEST = 3600.0
"""Who sets no deadline waits for ages, as gRPC counts."""
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


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers one method by the operation at `route` of `application`."""

    application: WsgiApp
    route: Route
    method: Method

    def __call__(self, asked: Any, context: grpc.ServicerContext) -> Any:
        seconds = seconds_of(context)
        more = {} if seconds is None else {deadlines.HEADER: f"{seconds:.3f}"}
        arguments = to_document(asked, absent=False)
        try:
            status, document = carried(
                self.application, self.route, arguments, context.invocation_metadata() or (), **more
            )
            answer = to_message(document, self.method.answered) if status < 400 else None
        except (NoDocument, ValueError):
            context.abort(grpc.StatusCode.INTERNAL, "")
            raise
        context.set_trailing_metadata(_told(status, document))
        if answer is None:
            context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), str(document.get("detail", "")))
        return answer


def seconds_of(context: grpc.ServicerContext) -> float | None:
    """How long its caller still waits, or a little more: gRPC's clients round up, to 10 ms from a second on; None: they do not say."""
    left = context.time_remaining()
    return None if left is None else min(left, _LONGEST)


def _told(status: int, document: Mapping[str, Any]) -> tuple[tuple[str, str | bytes], ...]:
    problem = ((PROBLEM, json.dumps(document).encode()),) if status >= 400 else ()
    return ((STATUS, str(status)), *problem)
