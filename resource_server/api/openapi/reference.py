"""The reference page: the documents for people, who can log in there through the issuer and try each call. It loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Response, redirect, render_template, request
from werkzeug.wrappers import Response as Redirect

from resource_server.api.openapi.document import Described, document
from resource_server.api.openapi.serving import VERSIONS
from resource_server.api.operation import Operation
from resource_server.api.problems import not_found
from resource_server.settings import Settings

PATH = "/reference"
_STATIC = Path(__file__).parents[2] / "static"
_FILES = {"script.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8"}
_DEPTH = 6


def reference_operations(settings: Settings, described: Described) -> list[Operation]:
    """The page of each version, the newest under no name, and what they are made of."""
    pages = {f"{PATH}/{version}": version for version in VERSIONS} | {PATH: VERSIONS[-1]}
    return [
        *(Operation("GET", path, None, _page(settings, described, version)) for path, version in pages.items()),
        *(Operation("GET", f"{PATH}/{name}", None, _file(name, kind)) for name, kind in _FILES.items()),
        Operation("GET", "/", None, _to_the_page),
    ]


def _to_the_page() -> Redirect:
    """Whoever opens the address of the APIs in a browser wants to read about them; for programs nothing is there."""
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
        raise not_found()
    return redirect(PATH, HTTPStatus.SEE_OTHER)


def _page(settings: Settings, described: Described, version: str) -> Callable[[], Response]:
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"connect-src 'self' {urlsplit(settings.issuer)._replace(path='').geturl()}; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )

    @cache
    def made() -> str:
        shown = document(described, version)
        operations = [operation for item in shown["paths"].values() for operation in item.values()]
        scopes = {scope for one in operations for needs in one["security"] for scope in needs["issuer"]}
        return render_template(
            "reference.html",
            document=shown,
            collections=_collections(shown["paths"]),
            versions=VERSIONS,
            issuer=settings.issuer,
            client_id=settings.reference_client_id or "",
            resource=settings.audience,
            scopes=sorted(scopes),
            sample=partial(sample, schemas=shown["components"]["schemas"]),
        )

    def show() -> Response:
        response = Response(made(), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response

    return show


def _collections(paths: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    """Path, method and operation of all there are, by what they are about."""
    found: dict[str, list[tuple[str, str, Any]]] = {}
    for path, item in paths.items():
        for method, operation in item.items():
            found.setdefault(operation["tags"][0], []).append((path, method, operation))
    return found


def _file(name: str, kind: str) -> Callable[[], Response]:
    content = cache((_STATIC / f"reference-{name}").read_bytes)

    def show() -> Response:
        response = Response(content(), content_type=kind)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    return show


def sample(schema: Mapping[str, Any], *, schemas: Mapping[str, Any], depth: int = _DEPTH) -> Any:
    """A value that fits the schema, of its examples and defaults where it has some."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rpartition("/")[2]], schemas=schemas, depth=depth - 1)
    for word in ("examples", "enum"):
        if word in schema:
            return schema[word][0]
    if "default" in schema:
        return schema["default"]
    inner = partial(sample, schemas=schemas, depth=depth - 1)
    match schema.get("type"):
        case "object":
            return {name: inner(one) for name, one in schema.get("properties", {}).items()} if depth else {}
        case "array":
            return [inner(schema["items"])]
        case "integer":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case None if "anyOf" in schema:
            return inner(schema["anyOf"][0])
        case _:
            return "text"
