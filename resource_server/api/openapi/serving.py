"""Where the documents are: `/openapi/v2.json` is all that a process serves, `/openapi/payments/v2.json` one service of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from flask import Response, jsonify

from resource_server.api.openapi.document import Described, document
from resource_server.api.operation import Operation
from resource_server.api.service import Service
from resource_server.settings import Settings

VERSIONS = ("v1", "v2")


def described(settings: Settings, services: Iterable[Service]) -> Mapping[str, Described]:
    """What there is to describe, by the path it has under `/openapi`: each service, and under no name all of them."""
    services = tuple(services)
    parts = {service.name: (service,) for service in services}
    return {
        name: Described(
            title=f"{name.capitalize()} API" if name else "The APIs",
            server=settings.audience,
            issuer=settings.issuer,
            operations=[operation for service in of_it for operation in service.operations],
            hooks={name: model for service in of_it for name, model in service.hooks.items()},
        )
        for name, of_it in {**parts, "": services}.items()
    }


def document_operations(settings: Settings, services: Iterable[Service]) -> list[Operation]:
    """One for each document, which is made when it is first asked for."""
    return [
        Operation("GET", f"/openapi/{name}{name and '/'}{version}.json", None, _shown(one, version))
        for name, one in described(settings, services).items()
        for version in VERSIONS
    ]


def _shown(one: Described, version: str) -> Callable[[], Response]:
    made = cache(lambda: document(one, version))

    def show() -> Response:
        response = jsonify(made())
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    return show
