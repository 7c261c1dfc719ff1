"""Real servers for guarded applications, each in a thread.

An API has /payments (GET: the scope `read`; POST: also a login of the last five minutes), and /health for everybody.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import clear_url_caches, path
from fastapi import Depends, FastAPI
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from token_guard import Guard, GuardError, Needs, Principal
from token_guard.adapters.asgi import PRINCIPAL, AsgiGuard
from token_guard.adapters.django import DjangoGuard
from token_guard.adapters.fastapi import FastApiGuard
from token_guard.adapters.flask import FlaskGuard
from token_guard.adapters.starlette import refused
from token_guard.adapters.wsgi import PRINCIPAL as WSGI_PRINCIPAL
from token_guard.adapters.wsgi import WsgiGuard
from werkzeug.serving import make_server

READ, RECENT = Needs(scopes=("read",)), Needs(max_age=300)
METHODS = ["GET", "POST"]


@contextmanager
def wsgi(application: Any, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a WSGI application."""
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def asgi(application: Any) -> Iterator[str]:
    """The URL of an ASGI application."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application, log_level="error", lifespan="off", ws="none", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listening]),), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def choose(_method: str, place: str) -> Needs | None:
    return None if place == "/health" else READ


def flask_app(guard: Guard) -> Flask:
    """A decorated view."""
    app = Flask("guarded")
    guarded = FlaskGuard(guard)

    @app.route("/payments", methods=METHODS)
    @guarded("read")
    def payments(principal: Principal) -> dict[str, str]:
        if request.method == "POST":
            guard.require(principal, RECENT)
        return {"owner": principal.subject}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {}

    return app


def wsgi_app(guard: Guard) -> Any:
    """Middleware around nothing but a function."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        caller = environ.get(WSGI_PRINCIPAL)
        if environ["REQUEST_METHOD"] == "POST":
            guard.require(caller, RECENT)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"owner": caller.subject} if caller else {}).encode()]

    metadata = guard.metadata([READ]) if guard.resource else None
    return WsgiGuard(app, guard, needs=choose, metadata=metadata)


def starlette_app(guard: Guard) -> Any:
    """Middleware around routes."""

    async def payments(request: Request) -> JSONResponse:
        if request.method == "POST":
            guard.require(request.scope[PRINCIPAL], RECENT)
        return JSONResponse({"owner": request.scope[PRINCIPAL].subject})

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(
        routes=[Route("/payments", payments, methods=METHODS), Route("/health", health)],
        exception_handlers={GuardError: refused},
    )
    metadata = guard.metadata([READ]) if guard.resource else None
    return AsgiGuard(app, guard, needs=choose, metadata=metadata)


def fastapi_app(guard: Guard) -> FastAPI:
    """A dependency of an operation."""
    app, guarded = FastAPI(), FastApiGuard(guard)
    caller = Depends(guarded("read"))

    def payments(asked: Request, principal: Principal = caller) -> dict[str, str]:
        if asked.method == "POST":
            guarded.require(principal, RECENT)
        return {"owner": principal.subject}

    def health() -> dict[str, str]:
        return {}

    for method in METHODS:
        app.add_api_route("/payments", payments, methods=[method])
    app.add_api_route("/health", health, methods=["GET"])
    return app


class Routes:
    """A URL configuration of Django, of which there is one a process."""

    def __init__(self) -> None:
        self.urlpatterns: list[Any] = []

    def use(self, patterns: list[Any]) -> None:
        self.urlpatterns[:] = patterns
        clear_url_caches()


DJANGO = Routes()


def _django(guard: Guard) -> None:
    """Two guarded views, beside the usual protection against forged forms."""
    guarded = DjangoGuard(guard)

    @guarded("read")
    def payments(request: Any) -> JsonResponse:
        if request.method == "POST":
            guard.require(request.principal, RECENT)
        return JsonResponse({"owner": request.principal.subject})

    @guarded("read")
    async def payments_async(request: Any) -> JsonResponse:
        return JsonResponse({"owner": request.principal.subject})

    def health(_request: Any) -> JsonResponse:
        return JsonResponse({})

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=DJANGO,
            ALLOWED_HOSTS=["127.0.0.1"],
            SECRET_KEY="only for tests",
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        )
    views = {"payments": payments, "async/payments": payments_async, "bücher/€": payments, "health": health}
    DJANGO.use([path(route, view) for route, view in views.items()])


def django_app(guard: Guard) -> Any:
    _django(guard)
    return get_wsgi_application()


def django_asgi_app(guard: Guard) -> Any:
    _django(guard)
    return get_asgi_application()


APIS: dict[str, tuple[Callable[[Any], Any], Callable[[Guard], Any]]] = {
    "flask": (wsgi, flask_app),
    "wsgi": (wsgi, wsgi_app),
    "starlette": (asgi, starlette_app),
    "fastapi": (asgi, fastapi_app),
    "django": (wsgi, django_app),
    "django-asgi": (asgi, django_asgi_app),
}


@contextmanager
def serving(kind: str, guard: Guard) -> Iterator[str]:
    """The URL of an API of this kind behind the guard."""
    serve, make = APIS[kind]
    before = list(DJANGO.urlpatterns)
    try:
        with serve(make(guard)) as url:
            yield url
    finally:
        DJANGO.use(before)
