"""Flask: a decorator that lets a view see who calls, and answers refusals as RFC 6750 wants them.

guarded = FlaskGuard(guard)

@app.get("/payments")
@guarded("payments:read")
def payments(principal: Principal): ...
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from flask import Response, request

from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.principal import Principal

View = Callable[..., Any]
Refuse = Callable[[GuardError], Any]


class FlaskGuard:
    """Guards views; `refuse` turns a refusal into a response, for APIs that have an error format of their own."""

    def __init__(self, guard: Guard, refuse: Refuse | None = None) -> None:
        self._guard = guard
        self._refuse = refuse or refusal

    def __call__(self, *scopes: str) -> Callable[[View], View]:
        """Let only callers with all these scopes through; the view gets the `Principal` as `principal`."""

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def guarded(*arguments: Any, **options: Any) -> Any:
                try:
                    principal = self.authenticate(scopes)
                except GuardError as error:
                    return self._refuse(error)
                return view(*arguments, principal=principal, **options)

            return guarded

        return decorate

    def authenticate(self, scopes: tuple[str, ...]) -> Principal:
        """Who calls, with all these scopes; raises `GuardError`."""
        headers = request.headers.getlist("Authorization")
        principal = self._guard.authenticate(",".join(headers) if headers else None)
        self._guard.require(principal, scopes=scopes)
        return principal


def refusal(error: GuardError) -> Response:
    """The plain answer: the standard error code, never the reason."""
    body = json.dumps({"error": error.code, "error_description": error.description}) if error.code else ""
    response = Response(body, error.status, content_type="application/json")
    response.headers.update(error.headers())
    response.headers["Cache-Control"] = "no-store"
    return response
