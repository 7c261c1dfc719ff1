"""ASGI: middleware around any application, such as FastAPI or Starlette; the caller is in `scope["token_guard.principal"]`.

app = AsgiGuard(app, guard, needs=Needs(scopes=("payments:read",)))

The checks run in a thread: they may wait for an issuer or a store, and the event loop must not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from token_guard.adapters.answers import Answer, Choose, Published, chooser, refusal
from token_guard.adapters.tracing import trace_id
from token_guard.certificates import CertificateHeader, pem_thumbprint
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.presented import Presented

PRINCIPAL = "token_guard.principal"
_PATH = "/!$&'()*+,;=:@-._~"
_POLICY_VIOLATION = 1008
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiGuard:
    """Lets only those through who meet `needs`, which may depend on method and path; `metadata` is served at its well-known path.

    A web socket is judged by the request that opens it, whose method is GET.
    """

    def __init__(
        self, app: AsgiApp, guard: Guard, *, needs: Needs | Choose, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._app = app
        self._guard = guard
        self._choose = chooser(needs)
        self._metadata = Published.of(metadata)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        method = scope.get("method", "GET")
        if self._metadata is not None and scope["path"] == self._metadata.path and method == "GET":
            return await _answer(self._metadata.answer, scope, receive, send)
        needs = self._choose(method, scope["path"])
        if needs is None:
            return await self._app(scope, receive, send)
        try:
            presented = presented_by(scope, self._guard.certificates)
            admission = await asyncio.to_thread(self._guard.admit, presented, needs)
        except GuardError as error:
            return await _answer(refusal(error), scope, receive, send)
        scope[PRINCIPAL] = admission.principal
        return await self._app(scope, receive, _with_headers(admission.headers, send))


def presented_by(scope: Scope, certificates: CertificateHeader | None = None) -> Presented:
    """What a connection scope shows of the caller."""
    raw_path = scope.get("raw_path")
    traceparent = _fields(scope, "traceparent")
    return Presented(
        authorization=_fields(scope, "authorization"),
        proofs=_fields(scope, "dpop"),
        method=scope.get("method", "GET"),
        path=raw_path.decode("latin-1") if raw_path else quote(scope["path"], safe=_PATH),
        certificate=_certificate(scope, certificates),
        trace_id=trace_id(traceparent[0] if len(traceparent) == 1 else None),
    )


def _fields(scope: Scope, name: str) -> tuple[str, ...]:
    wanted = name.lower().encode("ascii")
    return tuple(value.decode("latin-1") for field, value in scope["headers"] if field.lower() == wanted)


def _certificate(scope: Scope, header: CertificateHeader | None) -> str | None:
    """From the header of a proxy of ours, else from the TLS connection, where the server tells (ASGI's TLS extension)."""
    peer = (scope.get("client") or ("",))[0]
    if header is not None and header.trusts(peer):
        return header.thumbprint(_fields(scope, header.name))
    chain = (scope.get("extensions") or {}).get("tls", {}).get("client_cert_chain") or ()
    return pem_thumbprint(next(iter(chain), ""))


def _with_headers(headers: Mapping[str, str], send: Send) -> Send:
    if not headers:
        return send
    added = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


async def _answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer; a web socket that cannot be answered in HTTP is closed before it opens."""
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            return await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    encoded = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": encoded})
    return await send({"type": f"{kind}.body", "body": answer.body})
