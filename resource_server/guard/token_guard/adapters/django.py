"""Django: a decorator for views, plain or async, that puts the caller into `request.principal`.

guarded = DjangoGuard(guard)

@guarded("payments:read")
def payments(request): ...
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpResponse

from token_guard.adapters import answers, asgi
from token_guard.adapters.environ import presented_by
from token_guard.errors import GuardError
from token_guard.guard import Admission, Guard
from token_guard.needs import Needs

View = Callable[..., Any]


class DjangoGuard:
    """Guards views. Tokens are no cookies, so a guarded view needs no protection against forged requests: it is exempt from that."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *scopes: str, needs: Needs | None = None) -> Callable[[View], View]:
        """Let only callers with all these scopes, or with what `needs` says, through."""
        wanted = needs or Needs(scopes=scopes)

        def decorate(view: View) -> View:
            guarded = self._async_view(view, wanted) if iscoroutinefunction(view) else self._view(view, wanted)
            guarded.csrf_exempt = True  # type: ignore[attr-defined]  # Django looks for it on the function
            return guarded

        return decorate

    def admit(self, request: Any, needs: Needs) -> Admission:
        """Who makes a request; raises `GuardError`."""
        proxies = self._guard.certificates
        if hasattr(request, "scope"):  # by ASGI, where META has paths that WSGI could not
            return self._guard.admit(asgi.presented_by(request.scope, proxies), needs)
        path = request.get_full_path().partition("?")[0]
        return self._guard.admit(replace(presented_by(request.META, proxies), path=path), needs)

    def _view(self, view: View, needs: Needs) -> View:
        @functools.wraps(view)
        def guarded(request: Any, *arguments: Any, **options: Any) -> Any:
            try:
                admission = self.admit(request, needs)
                request.principal = admission.principal
                return _with_headers(admission, view(request, *arguments, **options))
            except GuardError as error:  # the view may ask for more
                return refusal(error)

        return guarded

    def _async_view(self, view: View, needs: Needs) -> View:
        @functools.wraps(view)
        async def guarded(request: Any, *arguments: Any, **options: Any) -> Any:
            try:
                admission = await asyncio.to_thread(self.admit, request, needs)
                request.principal = admission.principal
                return _with_headers(admission, await view(request, *arguments, **options))
            except GuardError as error:  # the view may ask for more
                return refusal(error)

        return guarded


def refusal(error: GuardError) -> Any:
    """The plain answer: the standard error code, never the reason."""
    answer = answers.refusal(error)
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


def _with_headers(admission: Admission, response: Any) -> Any:
    for name, value in admission.headers.items():
        response.headers[name] = value
    return response
