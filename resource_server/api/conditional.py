"""Strong ETags, 304, 412 and 428 (RFC 9110 §8.8.3, §13.1; RFC 6585 §3)."""

from __future__ import annotations

import hashlib

from flask import Response, request

from resource_server.api.problems import Problem


def with_etag(response: Response, identifier: str, version: int | str, *, variant: bytes | None = None) -> Response:
    """The response with its ETag; 304 without a body when the caller has this version.

    `variant` is what an extended representation shows beyond the object itself, so that its tag changes with that too.
    """
    shown = "" if variant is None else f".{hashlib.sha256(variant).hexdigest()[:12]}"
    response.set_etag(f"{identifier}.{version}{shown}")
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def check_match(identifier: str, version: int | str) -> None:
    """Let a change through that was made to this very version; raises 412 where it is another.

    The tag of an extended representation names its object's version, so it serves as well.
    """
    given = request.if_match
    tags = {".".join(tag.split(".")[:2]) for tag in given.as_set()}
    if not given.star_tag and f"{identifier}.{version}" not in tags:
        raise Problem(412, "precondition_failed", "It was changed meanwhile; read it again.")
