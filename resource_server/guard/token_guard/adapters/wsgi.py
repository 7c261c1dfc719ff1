"""WSGI: middleware around any application (PEP 3333); the caller is in `environ["token_guard.principal"]`.

app = WsgiGuard(app, guard, needs=Needs(scopes=("payments:read",)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from token_guard.adapters.answers import Answer, Choose, Published, chooser, refusal
from token_guard.adapters.environ import presented_by
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs

PRINCIPAL = "token_guard.principal"
Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class WsgiGuard:
    """Lets only those through who meet `needs`, which may depend on method and path; `metadata` is served at its well-known path."""

    def __init__(
        self, app: WsgiApp, guard: Guard, *, needs: Needs | Choose, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._app = app
        self._guard = guard
        self._choose = chooser(needs)
        self._metadata = Published.of(metadata)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if self._metadata is not None and path == self._metadata.path and method == "GET":
            return _answered(self._metadata.answer, start_response)
        needs = self._choose(method, path)
        if needs is None:
            return self._app(environ, start_response)
        try:
            return self._admitted(environ, start_response, needs)
        except GuardError as error:  # also the application's own, when it asks for more before it starts to answer
            return _answered(refusal(error), start_response)

    def _admitted(self, environ: Environ, start_response: Callable[..., Any], needs: Needs) -> Iterable[bytes]:
        admission = self._guard.admit(presented_by(environ, self._guard.certificates), needs)
        environ[PRINCIPAL] = admission.principal

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, *admission.headers.items()], *exc_info)

        return self._app(environ, start)


def _answered(answer: Answer, start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]
