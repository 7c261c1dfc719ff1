"""How an operation may answer: what it declares, and the problems that follow from what it asks of a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from resource_server.api.catalogue import CATALOGUE
from resource_server.api.operation import Doc, Operation
from resource_server.api.problems import CONTENT_TYPE

JSON = "application/json"
Reference = Callable[[type[BaseModel]], Mapping[str, Any]]
"""(model): the reference to its schema."""
PROBLEM = {"$ref": "#/components/schemas/Problem"}
_CALLER = (
    *("unauthorized", "invalid_request", "invalid_token", "invalid_dpop_proof", "use_dpop_nonce"),
    *("insufficient_scope", "access_denied", "temporarily_unavailable", "too_many_requests", "not_acceptable"),
)
_BODY = ("request_entity_too_large", "unsupported_media_type", "invalid")
_KEY = ("invalid_idempotency_key", "idempotency_key_reused", "request_in_progress")
_LIST = ("invalid_parameter", "invalid_page_token")


def codes(operation: Operation, doc: Doc) -> list[str]:
    """The codes of the problems it may answer with."""
    found = ["malformed", "unavailable", "deadline_passed", *doc.problems]
    if operation.needs is not None:
        found += _CALLER
        if operation.needs.details is not None:
            found += ["insufficient_authorization_details", "insufficient_user_authentication"]
    if "<" in operation.path:
        found.append("not_found")
    if doc.body is not None:
        found += _BODY
    if operation.key is not None:
        found += _KEY
    if operation.key == "required":
        found.append("idempotency_key_missing")
    if operation.tagged == "match":
        found += ["precondition_required", "precondition_failed"]
    if doc.query:
        found += _LIST
    if operation.version == "v1":
        found.append("version_gone")
    return found


def answers(operation: Operation, doc: Doc, reference: Reference) -> dict[str, Any]:
    """The answers by status."""
    found = {str(status): _wanted(operation, status, model, reference) for status, model in doc.answers.items()}
    if operation.tagged == "shown":
        found["304"] = {"description": "It is as If-None-Match says.", "headers": _headers("ETag")}
    by_status: dict[int, list[str]] = {}
    for code in codes(operation, doc):
        for status in CATALOGUE[code].statuses:
            by_status.setdefault(status, []).append(code)
    for status, of_it in sorted(by_status.items()):
        found[str(status)] = _problem(status, sorted(set(of_it)))
    return found


def _wanted(operation: Operation, status: int, model: type[BaseModel] | None, reference: Reference) -> dict[str, Any]:
    names = ["RateLimit", "RateLimit-Policy"]
    if operation.tagged is not None and status == HTTPStatus.OK:
        names.append("ETag")
    if operation.method == "POST" and status in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        names += ["Location"]
    if status == HTTPStatus.ACCEPTED:
        names.append("Retry-After")
    if operation.key is not None:
        names.append("Idempotency-Replayed")
    if operation.version == "v1":
        names += ["Deprecation", "Sunset"]
    shown: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": _headers(*names)}
    return shown if model is None else {**shown, "content": {JSON: {"schema": reference(model)}}}


def _problem(status: int, of_it: list[str]) -> dict[str, Any]:
    names = {401: ("WWW-Authenticate",), 403: ("WWW-Authenticate",), 429: ("Retry-After", "RateLimit")}.get(
        status, ("Retry-After",) if any(CATALOGUE[code].retryable for code in of_it) else ()
    )
    said = "; ".join(f"`{code}`: {CATALOGUE[code].title}" for code in of_it)
    return {"description": said, "headers": _headers(*names), "content": {CONTENT_TYPE: {"schema": PROBLEM}}}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
