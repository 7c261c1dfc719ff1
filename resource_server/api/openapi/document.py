"""A whole document: of one service, or of several side by side, in one version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from resource_server.api.bodies import JSON, MERGE_PATCH
from resource_server.api.openapi.answers import Reference, answers
from resource_server.api.openapi.parameters import parameters, template
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import CUSTOMER, STAFF, Cells, Reach

OPENAPI = "3.1.1"
_TEMPLATE = "#/components/schemas/{model}"
_NAME = re.compile(r"[^a-z0-9]+")
_SECURITY = "issuer"
_HEADERS: Mapping[str, tuple[str, str]] = {
    "ETag": ("string", "Names this version, for If-Match and If-None-Match."),
    "Location": ("string", "Where it is."),
    "Retry-After": ("integer", "Seconds after which to come again."),
    "RateLimit": ("string", "How much of the budget is left, and for how long; where there is one."),
    "RateLimit-Policy": ("string", "The budget, where there is one."),
    "Idempotency-Replayed": ("string", "true, where this is the answer of the first request with this key."),
    "Deprecation": ("string", "Since when this version is announced to end (RFC 9745)."),
    "Sunset": ("string", "When it ends (RFC 8594)."),
    "WWW-Authenticate": ("string", "What is needed of the token (RFC 6750, RFC 9449, RFC 9470)."),
}


class Problem(BaseModel):
    """What went wrong (RFC 9457). New codes may come; `retryable`: the same request may pass later."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str
    retryable: bool
    errors: list[dict[str, str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Of what the documents are: `operations` of one or more services; `hooks`: the events that are sent, by type."""

    title: str
    server: str
    issuer: str
    operations: Sequence[Operation]
    hooks: Mapping[str, type[BaseModel]]


def document(described: Described, version: str) -> dict[str, Any]:
    """The document of this version."""
    found = [(one, one.doc) for one in described.operations if one.version == version and one.doc is not None]
    hooks = described.hooks if version != "v1" else {}
    schemas, reference, body = _schemas([doc for _, doc in found], hooks)
    shown: dict[str, Any] = {
        "openapi": OPENAPI,
        "info": {"title": described.title, "version": version},
        "servers": [{"url": described.server}],
        "paths": _paths(found, reference, body),
        "components": {
            "schemas": schemas,
            "headers": {name: _header(kind, about) for name, (kind, about) in _HEADERS.items()},
            "securitySchemes": {
                _SECURITY: {
                    "type": "openIdConnect",
                    "openIdConnectUrl": f"{described.issuer}/.well-known/openid-configuration",
                }
            },
        },
    }
    if hooks:
        shown["webhooks"] = {name: _hook(name, reference(model)) for name, model in hooks.items()}
    return shown


def _paths(found: Sequence[tuple[Operation, Doc]], reference: Reference, body: Reference) -> dict[str, Any]:
    ids = {template(one.path): _id(doc) for one, doc in found if one.method == "GET"}
    paths: dict[str, Any] = {}
    for operation, doc in found:
        shown = _operation(operation, doc, reference, body)
        _link(operation, shown, ids)
        item = paths.setdefault(template(operation.path), {})
        method = operation.method.lower()
        item[method] = _joined(item[method], shown) if method in item else shown
    return paths


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two services that answer under one path, each for ids of its own: by the scopes of either."""
    return {**one, "tags": [*one["tags"], *other["tags"]], "security": [*one["security"], *other["security"]]}


def _operation(operation: Operation, doc: Doc, reference: Reference, body: Reference) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": _id(doc),
        "summary": doc.summary,
        "tags": [operation.collection],
        "parameters": parameters(operation, doc),
        "responses": answers(operation, doc, reference),
    }
    if doc.body is not None:
        media = MERGE_PATCH if operation.method == "PATCH" else JSON
        shown["requestBody"] = {"required": True, "content": {media: {"schema": body(doc.body)}}}
    if operation.version == "v1":
        shown["deprecated"] = True
    if operation.needs is not None:
        shown["security"] = [{_SECURITY: list(operation.needs.scopes)}]
        if operation.needs.details is not None:
            shown["x-authorization-details"] = operation.needs.details.type
    if operation.cells is not None:
        shown["x-permissions"] = permissions(operation.cells)
    return shown


def permissions(cells: Cells) -> dict[str, Any]:
    """A row of the matrix as data: how far each kind of caller reaches."""
    columns = (CUSTOMER, *STAFF, "service")
    return {**{name: Reach(getattr(cells, name)).name.lower() for name in columns}, "delegated": cells.delegated}


def _link(operation: Operation, shown: dict[str, Any], ids: Mapping[str, str]) -> None:
    """From what was made, or is being made, to where it is shown."""
    targets = {"201": f"{template(operation.path)}/", "202": "/v2/operations/"}
    for status, prefix in targets.items():
        for path, target in ids.items():
            name = path.removeprefix(prefix)
            if operation.method == "POST" and status in shown["responses"] and re.fullmatch(r"\{\w+\}", name):
                parameter = {name.strip("{}"): "$response.body#/id"}
                shown["responses"][status]["links"] = {target: {"operationId": target, "parameters": parameter}}


def _schemas(docs: Iterable[Doc], hooks: Mapping[str, type[BaseModel]]) -> tuple[dict[str, Any], Reference, Reference]:
    """The schemas of all models; what refers to one that is shown, and to one that is sent."""
    docs = list(docs)
    shown: set[type[BaseModel]] = {Problem, *hooks.values()}
    shown.update(model for doc in docs for model in doc.answers.values() if model is not None)
    sent = {doc.body for doc in docs if doc.body is not None}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    wanted += [(model, "serialization") for model in sorted(shown, key=_named)]
    wanted += [(model, "validation") for model in sorted(sent, key=_named)]
    references, schemas = models_json_schema(wanted, ref_template=_TEMPLATE)
    return (
        schemas["$defs"],
        lambda model: references[model, "serialization"],
        lambda model: references[model, "validation"],
    )


def _named(model: type[BaseModel]) -> str:
    return f"{model.__name__} {model.__module__}"


def _hook(name: str, reference: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "summary": name,
            "description": "Signed by Standard Webhooks; answer 2xx within seconds, 410 to get no more.",
            "requestBody": {"required": True, "content": {JSON: {"schema": reference}}},
            "responses": {"2XX": {"description": "It was taken."}, "410": {"description": "Send no more."}},
        }
    }


def _header(kind: str, about: str) -> dict[str, Any]:
    return {"description": about, "schema": {"type": kind}}


def _id(doc: Doc) -> str:
    return _NAME.sub("_", doc.summary.lower()).strip("_")
