"""Strong ETags and 304 (RFC 9110 §8.8.3, §13.1.2)."""

from __future__ import annotations

from flask import Response, request


def with_etag(response: Response, identifier: str, version: int) -> Response:
    """The response with its ETag; 304 without a body when the caller has this version."""
    response.set_etag(f"{identifier}.{version}")
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response
