"""A Starlette API behind token_guard: middleware around the whole of it, so nothing is open by accident.

ISSUER=http://127.0.0.1:8000 AUDIENCE=http://127.0.0.1:8011 python examples/guarded_asgi/app.py
"""

from __future__ import annotations

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from token_guard import Guard, IssuerTrust, Needs
from token_guard.adapters.asgi import PRINCIPAL, AsgiGuard

NEEDS = {"GET": Needs(scopes=("payments:read",)), "POST": Needs(scopes=("payments:write",), on_stale="deny")}


async def payments(request: Request) -> JSONResponse:
    """Whose payments: the guard says who calls."""
    principal = request.scope[PRINCIPAL]
    return JSONResponse({"payments_of": principal.subject})


async def health(_request: Request) -> JSONResponse:
    """For everybody."""
    return JSONResponse({"status": "alive"})


def needs(method: str, path: str) -> Needs | None:
    """What a request needs; None is open to everybody, and is said for one path on purpose."""
    return None if path == "/health" else NEEDS.get(method, NEEDS["POST"])


def create_app(issuer: str, audience: str) -> AsgiGuard:
    """The API behind the guard, which also serves its metadata."""
    guard = Guard(IssuerTrust(issuer, audience), resource=audience)
    app = Starlette(routes=[Route("/payments", payments, methods=["GET", "POST"]), Route("/health", health)])
    return AsgiGuard(app, guard, needs=needs, metadata=guard.metadata(NEEDS.values()))


if __name__ == "__main__":
    uvicorn.run(create_app(os.environ["ISSUER"], os.environ["AUDIENCE"]), port=int(os.environ.get("PORT", "8011")))
