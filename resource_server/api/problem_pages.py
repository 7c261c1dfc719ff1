"""What the `type` of a problem leads to: a page for people, the same as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from html import escape

from flask import Response, jsonify, request

from resource_server.api import html
from resource_server.api.catalogue import CATALOGUE, Kind
from resource_server.api.operation import Operation
from resource_server.api.problems import not_found


def problem_pages() -> list[Operation]:
    """The list of problems, and each of them."""
    return [Operation("GET", "/problems", None, _all), Operation("GET", "/problems/<code>", None, _one)]


def _all() -> Response:
    kinds = sorted(CATALOGUE.items())
    if _for_people():
        rows = tuple((code, ", ".join(map(str, kind.statuses)), kind.title, kind.help) for code, kind in kinds)
        response = html.page("What can go wrong", html.table(("code", "status", "what", "what to do"), rows))
    else:
        response = _for_programs({"items": [_shown(code, kind) for code, kind in kinds]})
    response.headers["Vary"] = "Accept"
    return response


def _one(code: str) -> Response:
    kind = CATALOGUE.get(code)
    if kind is None:
        raise not_found()
    response = html.page(kind.title, _described(code, kind)) if _for_people() else _for_programs(_shown(code, kind))
    response.headers["Vary"] = "Accept"
    return response


def _for_people() -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def _for_programs(document: dict[str, object]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def _shown(code: str, kind: Kind) -> dict[str, object]:
    return {"type": f"/problems/{code}", "code": code, **asdict(kind)}


def _described(code: str, kind: Kind) -> str:
    statuses = ", ".join(map(str, kind.statuses))
    again = "The same request may pass later." if kind.retryable else "The same request will be refused again."
    return f"<p>Status {statuses}, code <code>{escape(code)}</code></p><p>{escape(kind.help)}</p><p>{again}</p>"
