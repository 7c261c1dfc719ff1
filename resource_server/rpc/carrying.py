"""What came over another transport, as the request of the REST operation it stands for, within this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import EnvironBuilder, run_wsgi_app

from resource_server.api.edge import WsgiApp
from resource_server.api.operation import Operation
from resource_server.calls.rest import ROUTES, Route, placed
from resource_server.edges.faces import APP

HEADERS = {
    "authorization": "Authorization",
    "idempotency-key": "Idempotency-Key",
    APP.lower(): APP,
    "traceparent": "traceparent",
    "x-request-id": "X-Request-Id",
}
"""What of a call's metadata becomes a header; nothing else does."""
_JSON = "application/json"


class NoDocument(Exception):
    """The operation answered something that is no JSON object."""


def actions_of(operations: Iterable[Operation]) -> dict[str, Operation]:
    """The actions that are there, with their operations."""
    known = {_key(one.method, one.path): one for one in operations}
    found = {action: known.get(_key(route.method, route.path)) for action, route in ROUTES.items()}
    return {action: operation for action, operation in found.items() if operation is not None}


def _key(method: str, path: str) -> str:
    """The same for a path of ours and for one of a route, whatever they call what is in it."""
    return f"{method} {re.sub(r'<[^>]*>|{[^}]*}', '*', path)}"


def carried(
    application: WsgiApp, route: Route, arguments: Mapping[str, Any], metadata: Iterable[tuple[str, Any]], **more: str
) -> tuple[int, dict[str, Any]]:
    """Status and document of the operation at `route`; `more` are headers of our own. Raises `NoDocument`."""
    path, rest = placed(route.path, arguments)
    reading = route.method == "GET"
    taken = {HEADERS[name]: value for name, value in metadata if name in HEADERS and isinstance(value, str)}
    builder = EnvironBuilder(
        path=path,
        method=route.method,
        query_string=urlencode(rest) if reading else "",
        data=None if reading else json.dumps(rest).encode(),
        content_type=None if reading else _JSON,
        headers={"Accept": _JSON, **taken, **more}.items(),
    )
    try:
        body, status, _headers = run_wsgi_app(application, builder.get_environ(), buffered=True)
    finally:
        builder.close()
    return int(status.partition(" ")[0]), _document(b"".join(body))


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data) if data else {}
    except ValueError as error:
        raise NoDocument from error
    if not isinstance(document, dict):
        raise NoDocument
    return document
