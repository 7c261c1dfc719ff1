"""Reading JSON bodies into models: 415 for another media type, 400 for what is not JSON, 422 with pointers for what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from resource_server.api.problems import Problem

MAX_BODY = 64 * 1024
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
_Body = TypeVar("_Body", bound=BaseModel)


class Strict(BaseModel):
    """The base of request bodies: exact types, nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def raw() -> bytes:
    """The body as it came; 413 above the bound, which Werkzeug cuts a body without a length at."""
    body = request.get_data()
    if len(body) > MAX_BODY:
        raise RequestEntityTooLarge
    return body


def read(model: type[_Body]) -> tuple[_Body, dict[str, Any]]:
    """The body as a model, and as the JSON object it was."""
    document = _object(JSON)
    return _fitted(model, document), document


def read_patch(model: type[_Body], *, before: Callable[[dict[str, Any]], None] | None = None) -> _Body:
    """A merge patch (RFC 7396): what it names is changed, null removes; `model_fields_set` of the model says what was named.

    `before` looks at the object first, and may refuse it for what it names.
    """
    document = _object(MERGE_PATCH)
    if before is not None:
        before(document)
    return _fitted(model, document)


def _object(media_type: str) -> dict[str, Any]:
    if request.mimetype != media_type:
        accepted = {"Accept-Patch" if request.method == "PATCH" else "Accept-Post": media_type}
        raise Problem(415, "unsupported_media_type", f"The body must be {media_type}.", headers=accepted)
    try:
        document = json.loads(raw(), object_pairs_hook=_unique, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Problem(400, "malformed", "The body is not acceptable JSON.") from error
    if not isinstance(document, dict):
        raise Problem(
            422, "invalid", "The body must be a JSON object.", errors=[{"pointer": "", "detail": "not an object"}]
        )
    return document


def _fitted(model: type[_Body], document: dict[str, Any]) -> _Body:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = [{"pointer": _pointer(one["loc"]), "detail": one["msg"]} for one in error.errors()]
        raise Problem(422, "invalid", "The body does not fit.", errors=found[:20]) from error


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs) or any("\x00" in value for _, value in pairs if isinstance(value, str)):
        raise ValueError("a name is repeated or a text has NUL")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(constant)
