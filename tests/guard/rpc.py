"""A gRPC service behind the guard, on a server with threads or on asyncio, and a client; messages are bytes, no compiler is needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
from token_guard import Guard, Needs
from token_guard.adapters.grpc import AsyncGrpcGuard, GrpcGuard, principal

SERVICE = "shop.Payments"
READ = Needs(scopes=("read",))
NEEDS: Mapping[str, Needs | None] = {
    **{f"/{SERVICE}/{name}": READ for name in ("Create", "List", "Upload", "Chat", "Plain")},
    "/grpc.health.v1.Health/Check": None,
}


def _who() -> bytes:
    return principal().subject.encode()


def _handlers() -> dict[str, Any]:
    def create(_request: bytes, _context: Any) -> bytes:
        return _who()

    def listing(request: bytes, _context: Any) -> Iterator[bytes]:
        for _ in range(int(request)):
            yield _who()

    def upload(requests: Iterator[bytes], _context: Any) -> bytes:
        return _who() + b" " + b"".join(requests)

    def chat(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        for request in requests:
            yield request + b" " + _who()

    return {
        "Create": grpc.unary_unary_rpc_method_handler(create),
        "List": grpc.unary_stream_rpc_method_handler(listing),
        "Upload": grpc.stream_unary_rpc_method_handler(upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Secret": grpc.unary_unary_rpc_method_handler(create),
    }


def _async_handlers() -> dict[str, Any]:
    async def create(_request: bytes, _context: Any) -> bytes:
        return _who()

    async def listing(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for _ in range(int(request)):
            await asyncio.sleep(0)
            yield _who()

    async def upload(requests: AsyncIterator[bytes], _context: Any) -> bytes:
        return _who() + b" " + b"".join([request async for request in requests])

    async def chat(requests: AsyncIterator[bytes], context: Any) -> None:
        async for request in requests:
            await context.write(request + b" " + _who())

    return {
        "Create": grpc.unary_unary_rpc_method_handler(create),
        "List": grpc.unary_stream_rpc_method_handler(listing),
        "Upload": grpc.stream_unary_rpc_method_handler(upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Secret": grpc.unary_unary_rpc_method_handler(create),
    }


def _health() -> Any:
    handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"serving")
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})


@contextmanager
def threaded(guard: Guard, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Where a server with threads listens."""
    server = grpc.server(ThreadPoolExecutor(8), interceptors=[GrpcGuard(guard, needs=NEEDS)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, _handlers()), _health()))
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def on_asyncio(guard: Guard) -> Iterator[str]:
    """Where an asyncio server listens, in a thread with a loop of its own."""
    ready, stop, place = threading.Event(), threading.Event(), []

    async def run() -> None:
        server = grpc.aio.server(interceptors=[AsyncGrpcGuard(guard, needs=NEEDS)])
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, _async_handlers()), _health()))
        place.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        ready.set()
        await asyncio.to_thread(stop.wait)
        await server.stop(None)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield place[0]
    finally:
        stop.set()
        thread.join(30)


SERVERS = {"threads": threaded, "asyncio": on_asyncio}


def metadata(presented: str | None, *proofs: str, scheme: str = "Bearer", **more: str) -> list[tuple[str, str]]:
    """What a client sends along."""
    token = [] if presented is None else [("authorization", f"{scheme} {presented}")]
    return [*token, *(("dpop", proof) for proof in proofs), *more.items()]


def call(channel: grpc.Channel, sent: list[tuple[str, str]], method: str = "Create") -> Any:
    """One unary call; raises `grpc.RpcError`."""
    return channel.unary_unary(f"/{SERVICE}/{method}")(b"", metadata=sent, timeout=30)
