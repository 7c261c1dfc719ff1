"""What a request is made of: the path's parts, the query, and the headers that are heeded."""

from __future__ import annotations

import re
from typing import Any

from resource_server.api.operation import Doc, Operation

_PART = re.compile(r"<(?:[a-z]+(?:\([a-z]+\))?:)?([a-z_]+)>")
_MOST = 255
MATCH = {"type": "string", "pattern": r'^(\*|(W/)?"[^"]+"(, *(W/)?"[^"]+")*)$'}


def template(path: str) -> str:
    """A path as OpenAPI writes it."""
    return _PART.sub(r"{\1}", path)


def parameters(operation: Operation, doc: Doc) -> list[dict[str, Any]]:
    """All of them."""
    found = [_parameter("path", name, _text(1), required=True) for name in _PART.findall(operation.path)]
    found += [_parameter("query", one.name, dict(one.schema), about=one.about) for one in doc.query]
    if operation.key is not None:
        about = "Any text of your own, new for each new thing you want done; a repeat of it does nothing twice."
        key = {**_text(1), "pattern": r"^[\x20-\x7e]+$"}
        found.append(_header("Idempotency-Key", key, about, required=operation.key == "required"))
    if operation.tagged == "match":
        found.append(_header("If-Match", MATCH, "The ETag of the version that is changed.", required=True))
    if operation.tagged == "shown":
        found.append(_header("If-None-Match", MATCH, "The ETag of the version you have."))
    if operation.version != "v1" and {201, 202} <= doc.answers.keys():
        wait = {"type": "string", "examples": ["wait=5"]}
        found.append(_header("Prefer", wait, "wait=SECONDS: rather than 202 the result, if it comes in time."))
    return found


def _text(shortest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": shortest, "maxLength": _MOST}


def _header(name: str, schema: dict[str, Any], about: str, *, required: bool = False) -> dict[str, Any]:
    return _parameter("header", name, schema, required=required, about=about)


def _parameter(
    where: str, name: str, schema: dict[str, Any], *, required: bool = False, about: str = ""
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": where, "required": required, "schema": schema}
    return {**found, "description": about} if about else found
