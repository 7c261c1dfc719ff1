"""Flask: a decorator that lets a view see who calls, and answers refusals as RFC 6750 and RFC 9449 want them.

guarded = FlaskGuard(guard)

@app.get("/payments")
@guarded("payments:read")
def payments(principal: Principal): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import Response, after_this_request, request

from token_guard.adapters import answers
from token_guard.adapters.environ import presented_by
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.presented import Presented
from token_guard.principal import Principal

View = Callable[..., Any]
Refuse = Callable[[GuardError], Any]


class FlaskGuard:
    """Guards views; `refuse` turns a refusal into a response, for APIs that have an error format of their own.

    `trace_id` says how the current request is known in logs; by default it is its W3C trace id.
    """

    def __init__(
        self, guard: Guard, refuse: Refuse | None = None, *, trace_id: Callable[[], str] | None = None
    ) -> None:
        self._guard = guard
        self._refuse = refuse or refusal
        self._trace_id = trace_id

    def __call__(self, *scopes: str, needs: Needs | None = None) -> Callable[[View], View]:
        """Let only callers with all these scopes, or with what `needs` says, through; the view gets the `Principal` as `principal`."""
        wanted = needs or Needs(scopes=scopes)

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def guarded(*arguments: Any, **options: Any) -> Any:
                try:
                    return view(*arguments, principal=self.admit(wanted), **options)
                except GuardError as error:  # the view may ask for more
                    return self._refuse(error)

            return guarded

        return decorate

    def admit(self, needs: Needs) -> Principal:
        """Who calls; raises `GuardError`."""
        admission = self._guard.admit(self._presented(), needs)
        if admission.headers:
            after_this_request(functools.partial(_with_headers, admission.headers))
        return admission.principal

    def _presented(self) -> Presented:
        presented = presented_by(request.environ, self._guard.certificates)
        return presented if self._trace_id is None else replace(presented, trace_id=self._trace_id())


def _with_headers(headers: Mapping[str, str], response: Response) -> Response:
    response.headers.update(headers)
    return response


def refusal(error: GuardError) -> Response:
    """The plain answer: the standard error code, never the reason."""
    answer = answers.refusal(error)
    return Response(answer.body, answer.status, dict(answer.headers))
