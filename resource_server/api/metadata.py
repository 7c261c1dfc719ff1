"""What the services say of themselves (RFC 9728): the whole under its own URL, and each service under its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from flask import Response, jsonify
from token_guard import Guard
from token_guard.resource_metadata import well_known_url

from resource_server.api.operation import Operation


def metadata_operations(guard: Guard, services: Mapping[str, Iterable[Operation]]) -> list[Operation]:
    """The documents of the resource and of each service, `services` being their operations by name; none where it is no URL."""
    resource = guard.resource
    if resource is None:
        return []
    every = [operation for operations in services.values() for operation in operations]
    parts = {resource: every, **{f"{resource}/{name}": operations for name, operations in services.items()}}
    return [
        Operation("GET", urlsplit(well_known_url(name)).path, None, _document(guard, name, operations))
        for name, operations in parts.items()
    ]


def _document(guard: Guard, resource: str, operations: Iterable[Operation]) -> Callable[[], Response]:
    # What services say between each other asks for scopes that no issuer gives.
    needs = [operation.needs for operation in operations if operation.needs is not None and not operation.between]
    document = guard.metadata(needs, resource=resource)

    def show() -> Response:
        response = jsonify(document)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    return show
