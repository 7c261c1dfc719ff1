"""A gRPC server that token_guard guards. Its messages are text, so that no generated code is needed; with generated code it is the same.

ISSUER=http://127.0.0.1:8000 AUDIENCE=https://api.example PORT=8012 python examples/guarded_grpc/server.py
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import grpc
from token_guard import Guard, IssuerTrust, Needs
from token_guard.adapters.grpc import GrpcGuard, principal

SERVICE = "shop.Payments"


def list_payments(_request: str, _context: grpc.ServicerContext) -> str:
    """Who owns the payments that would be listed."""
    return principal().subject


def build(guard: Guard, address: str) -> grpc.Server:
    """The server, not yet started."""
    needs = {
        f"/{SERVICE}/List": Needs(scopes=("read",)),
        "/grpc.health.v1.Health/Check": None,
    }  # None: open to everybody
    interceptor = GrpcGuard(guard, needs=needs)
    server = grpc.server(ThreadPoolExecutor(8), interceptors=[interceptor])
    method = grpc.unary_unary_rpc_method_handler(list_payments, bytes.decode, str.encode)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"List": method})])
    server.add_insecure_port(address)  # a real one has TLS: tokens travel
    return server


def main() -> None:
    """Serve on a port of this machine."""
    trust = IssuerTrust(os.environ["ISSUER"], os.environ["AUDIENCE"], jwks_uri=os.environ.get("JWKS_URI"))
    server = build(Guard(trust), f"127.0.0.1:{os.environ.get('PORT', '8012')}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
