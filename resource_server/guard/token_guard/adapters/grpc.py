"""gRPC: interceptors for servers, plain and asyncio; a handler asks `principal()` who calls.

server = grpc.server(executor, interceptors=[GrpcGuard(guard, needs={"/shop.Payments/Create": Needs(scopes=("payments:write",))})])

The token comes in the metadata `authorization`, a DPoP proof in `dpop`, made for POST and the URL of the method.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from inspect import isasyncgenfunction, isawaitable
from typing import Any

import grpc
import grpc.aio

from token_guard.adapters.tracing import trace_id
from token_guard.certificates import pem_thumbprint
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.presented import Presented
from token_guard.principal import Principal

_CALLER: contextvars.ContextVar[Principal | None] = contextvars.ContextVar("token_guard.principal", default=None)
_CODES = {
    400: grpc.StatusCode.UNAUTHENTICATED,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_NO_TOKEN = "An access token is needed"  # noqa: S105 - a sentence
Metadata = tuple[tuple[str, str], ...]


def principal() -> Principal:
    """Who makes the call that is being handled; raises `LookupError` in a call that is open to everybody."""
    caller = _CALLER.get()
    if caller is None:
        raise LookupError("this call is open to everybody")
    return caller


class _Judge:
    """What both interceptors share. A method that `needs` does not name needs a good token; None opens it to everybody."""

    def __init__(self, guard: Guard, needs: Mapping[str, Needs | None]) -> None:
        self._guard = guard
        self._needs = needs

    def needs(self, method: str) -> Needs | None:
        return self._needs.get(method, Needs())

    def admit(self, method: str, needs: Needs, context: Any) -> tuple[Principal, Metadata]:
        """Who calls, and metadata for the answer; raises `GuardError`."""
        metadata = [(name.lower(), value) for name, value in context.invocation_metadata() or ()]
        named = {name: tuple(_text(value) for other, value in metadata if other == name) for name in _FIELDS}
        presented = Presented(
            authorization=named["authorization"],
            proofs=named["dpop"],
            method="POST",
            path=method,
            certificate=_certificate(context),
            trace_id=trace_id(next(iter(named["traceparent"]), None)),
        )
        admission = self._guard.admit(presented, needs)
        return admission.principal, tuple((name.lower(), value) for name, value in admission.headers.items())


_FIELDS = ("authorization", "dpop", "traceparent")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _certificate(context: Any) -> str | None:
    found = context.auth_context().get("x509_pem_cert") if hasattr(context, "auth_context") else None
    return pem_thumbprint(_text(next(iter(found), ""))) if found else None


def _refusal(error: GuardError) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code, details and trailing metadata, which holds the challenge as HTTP would."""
    trailing = tuple((name.lower(), value) for name, value in error.headers().items())
    code = (("token-guard-error", error.code),) if error.code else ()
    return _CODES[error.status], error.description or _NO_TOKEN, (*trailing, *code)


class GrpcGuard(grpc.ServerInterceptor):
    """For servers with threads."""

    def __init__(self, guard: Guard, *, needs: Mapping[str, Needs | None]) -> None:
        self._judge = _Judge(guard, needs)

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """The handler of a method, behind the guard."""
        handler, method = continuation(handler_call_details), handler_call_details.method
        needs = self._judge.needs(method)
        if handler is None or needs is None:
            return handler
        kind, behaviour, make = _of_handler(handler)

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:
            caller = self._admitted(method, needs, context)
            if kind.endswith("stream"):
                return _streamed(behaviour, request, context, caller)
            return _as(caller, behaviour, request, context)

        return make(guarded, handler.request_deserializer, handler.response_serializer)

    def _admitted(self, method: str, needs: Needs, context: grpc.ServicerContext) -> Principal:
        try:
            caller, metadata = self._judge.admit(method, needs, context)
        except GuardError as error:
            code, details, trailing = _refusal(error)
            context.set_trailing_metadata(trailing)
            context.abort(code, details)
            raise AssertionError("abort does not return") from error
        if metadata:
            context.set_trailing_metadata(metadata)
        return caller


def _as(caller: Principal, behaviour: Callable[..., Any], *arguments: Any) -> Any:
    token = _CALLER.set(caller)
    try:
        return behaviour(*arguments)
    finally:
        _CALLER.reset(token)


def _streamed(behaviour: Callable[..., Any], request: Any, context: Any, caller: Principal) -> Iterator[Any]:
    """Each step of a stream may run in another thread, and each sees who calls."""
    messages = _as(caller, behaviour, request, context)
    try:
        while True:
            try:
                message = _as(caller, next, messages)
            except StopIteration:
                return
            yield message
    finally:
        if hasattr(messages, "close"):
            _as(caller, messages.close)


class AsyncGrpcGuard(grpc.aio.ServerInterceptor):
    """For asyncio servers; the checks run in a thread, since they may wait for an issuer or a store."""

    def __init__(self, guard: Guard, *, needs: Mapping[str, Needs | None]) -> None:
        self._judge = _Judge(guard, needs)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """The handler of a method, behind the guard."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        needs = self._judge.needs(method)
        if handler is None or needs is None:
            return handler
        _, behaviour, make = _of_handler(handler)

        async def guarded(request: Any, context: Any) -> Any:
            _CALLER.set(await self._admitted(method, needs, context))
            answer = behaviour(request, context)
            return await answer if isawaitable(answer) else answer

        async def guarded_stream(request: Any, context: Any) -> AsyncIterator[Any]:
            _CALLER.set(await self._admitted(method, needs, context))
            async for message in behaviour(request, context):
                yield message

        chosen: Any = guarded_stream if isasyncgenfunction(behaviour) else guarded
        return make(chosen, handler.request_deserializer, handler.response_serializer)

    async def _admitted(self, method: str, needs: Needs, context: Any) -> Principal:
        try:
            caller, metadata = await asyncio.to_thread(self._judge.admit, method, needs, context)
        except GuardError as error:
            code, details, trailing = _refusal(error)
            await context.abort(code, details, trailing)
            raise AssertionError("abort does not return") from error
        if metadata:
            context.set_trailing_metadata(metadata)
        return caller


def _of_handler(handler: Any) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
    """The kind of a method, what handles it, and what makes a handler of that kind."""
    kind = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
    return kind, getattr(handler, kind), getattr(grpc, f"{kind}_rpc_method_handler")
