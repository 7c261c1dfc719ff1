"""The gRPC server of a process: the methods of the services it is, behind the guard, with health and reflection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from token_guard import Guard, Needs
from token_guard.adapters.grpc import GrpcGuard

from resource_server.api.edge import WsgiApp
from resource_server.api.operation import Operation
from resource_server.calls.rest import ROUTES
from resource_server.calls.rpc import METHODS
from resource_server.calls.shapes import shapes
from resource_server.platform import deadlines
from resource_server.rpc.carrying import actions_of
from resource_server.rpc.transcoding import Handler, seconds_of

_OPEN: Mapping[str, Needs | None] = {
    "/grpc.health.v1.Health/Check": None,
    "/grpc.health.v1.Health/Watch": None,
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": None,
}
"""Open to everybody: whether it lives, and what it looks like, which is published anyway."""
_OPTIONS = (("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", 1024 * 1024))


def build_server(
    application: WsgiApp,
    operations: Iterable[Operation],
    guard: Guard,
    *,
    address: str,
    threads: int,
    tls: tuple[Path, Path] | None,
) -> tuple[grpc.Server, int]:
    """The server, not yet started, and its port. `tls` are the files of its certificate and key; without them it is for loopback.

    Only methods whose operation is among `operations` are there; each needs what its operation needs.
    """
    needs = {METHODS[action]: operation.needs for action, operation in actions_of(operations).items()}
    interceptors = [_Deadlines(), GrpcGuard(guard, needs={**_OPEN, **needs})]
    server = grpc.server(ThreadPoolExecutor(threads, "rpc"), interceptors=interceptors, options=_OPTIONS)
    _add_methods(server, application, needs)
    _add_health(server)
    reflection.enable_server_reflection([*shapes().services, reflection.SERVICE_NAME], server, shapes().pool)
    port = server.add_secure_port(address, _credentials(*tls)) if tls else server.add_insecure_port(address)
    return server, port


class _Deadlines(grpc.ServerInterceptor):
    """Whatever is done for a call ends with its deadline, and so does what the guard behind this asks of others."""

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """The handler of a method, hurried; those of streams, which are open to everybody, are left alone."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        def hurried(asked: Any, context: grpc.ServicerContext) -> Any:
            with deadlines.within(seconds_of(context)):
                return handler.unary_unary(asked, context)

        return grpc.unary_unary_rpc_method_handler(hurried, handler.request_deserializer, handler.response_serializer)


def _add_methods(server: grpc.Server, application: WsgiApp, needs: Mapping[str, Needs | None]) -> None:
    services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for action, path in METHODS.items():
        if path in needs:
            method = shapes().methods[path]
            handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
                Handler(application, ROUTES[action], method),
                request_deserializer=method.asked.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            _, service, name = path.split("/")
            services.setdefault(service, {})[name] = handler
    for service, handlers in services.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])


def _add_health(server: grpc.Server) -> None:
    """As gRPC's own protocol has it: the process as a whole, and each service."""
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for service in ("", *shapes().services):
        servicer.set(service, health_pb2.HealthCheckResponse.SERVING)


def _credentials(certificate: Path, key: Path) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
