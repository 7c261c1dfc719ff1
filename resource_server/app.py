"""The composition root: the services of one process, behind one guard."""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask, Response, jsonify
from token_guard import Guard
from token_guard.adapters.flask import FlaskGuard

from resource_server.api import problems
from resource_server.api.metadata import metadata_operations
from resource_server.api.operation import Operation, mount
from resource_server.db import Store
from resource_server.events import EventReceiver
from resource_server.guarding import build_guard
from resource_server.orders.v1 import OrdersApi
from resource_server.payments.allowance import Allowance
from resource_server.payments.v1 import PaymentsApi
from resource_server.payments.worker import Settlement
from resource_server.settings import Settings
from resource_server.users.copy import Filler, UserCopies
from resource_server.users.events import UserEvents
from resource_server.users.v1 import UsersApi

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_POLL_SECONDS = 0.3
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = structlog.get_logger("rs")


@dataclass(frozen=True, slots=True)
class Services:
    """What one process is made of."""

    settings: Settings
    flask: Flask
    store: Store
    guard: Guard
    copies: UserCopies
    settlement: Settlement


def build(settings: Settings) -> Services:
    """Build the services; no thread is started and nothing is fetched."""
    app = Flask("resource_server", static_folder=None)
    store = Store(app, settings.database, pool_size=settings.database_pool)
    guard = build_guard(settings, store)
    services = Services(settings, app, store, guard, UserCopies(store), Settlement(store))
    problems.install(app)
    mount(app, operations(services), FlaskGuard(guard, problems.refused, trace_id=problems.trace_id))
    return services


def operations(services: Services) -> list[Operation]:
    """Every operation of the services this process is."""
    settings, guard = services.settings, services.guard
    apis: dict[str, Callable[[], list[Operation]]] = {
        "users": UsersApi(services.copies).operations,
        "orders": OrdersApi(services.store).operations,
        "payments": PaymentsApi(services.store, Allowance(settings, guard, services.store)).operations,
    }
    found = {
        service: [operation.of_service(settings.audiences(service)) for operation in apis[service]()]
        for service in settings.services
    }
    listeners = [UserEvents(services.copies)] if "users" in found else []
    receiver = EventReceiver(guard, receives_as=settings.receives_as, listeners=listeners)
    return [
        *(operation for operations in found.values() for operation in operations),
        *receiver.operations(),
        *metadata_operations(guard, found),
        Operation("GET", "/livez", None, _alive),
        Operation("GET", "/readyz", None, _readiness(services)),
    ]


def create_wsgi(settings: Settings) -> WsgiApp:
    """What a server process runs: warm keys, background work, and the application behind its access log."""
    services = build(settings)
    start_background(services)
    return _Edge(services.flask.wsgi_app, logged=settings.log_level in {"debug", "info"})


def start_background(services: Services) -> threading.Event:
    """The threads beside the requests: fetching keys, filling the copy, settling payments. Set the event to stop them."""
    stopping, settings = threading.Event(), services.settings
    _repeat(services, "keys", services.guard.warm, stopping, until_done=True)
    if "payments" in settings.services:
        _repeat(services, "settlement", services.settlement.run, stopping)
    if "users" in settings.services and settings.events_token is not None:
        token = settings.events_token.get_secret_value()
        filler = Filler(
            services.store, services.copies, issuer=settings.issuer, audience=settings.receives_as, token=token
        )
        _repeat(services, "filler", filler.run, stopping, until_done=True)
    return stopping


def _repeat(
    services: Services, name: str, work: Callable[[], object], stopping: threading.Event, *, until_done: bool = False
) -> None:
    def run() -> None:
        delay = _POLL_SECONDS
        while not stopping.wait(delay):
            try:
                with services.flask.app_context():
                    if work() and until_done:
                        return
                delay = _POLL_SECONDS
            except Exception as error:
                log.warning("background work failed", work=name, error=type(error).__name__)
                delay = min(delay * 2, 10)

    threading.Thread(target=run, name=name, daemon=True).start()


def _alive() -> Response:
    return jsonify({"status": "alive"})


def _readiness(services: Services) -> Callable[[], Response]:
    def ready() -> Response:
        services.store.session.execute(sa.text("SELECT 1"))
        keys = services.guard.keys().values()
        if any(state.age is None for state in keys):  # nothing can be checked yet: no traffic before there are keys
            response = jsonify({"status": "not ready", "keys": "absent"})
            response.status_code, response.headers["Retry-After"] = 503, "1"
            return response
        return jsonify({"status": "ready", "keys": "present" if all(state.fresh for state in keys) else "stale"})

    return ready


class _Edge:
    """Request ids and one JSON line a request, around the whole application; the query string is never logged."""

    def __init__(self, application: WsgiApp, *, logged: bool) -> None:
        self._application = application
        self._logged = logged

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started, given = time.perf_counter(), environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        environ["rs.request_id"] = request_id
        if not self._logged:
            return self._application(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            line = {
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "level": "info",
                "event": "request",
                "method": environ["REQUEST_METHOD"],
                "path": environ.get("PATH_INFO", ""),
                "status": int(status[:3]),
                "ms": round((time.perf_counter() - started) * 1000, 2),
                "request_id": request_id,
            }
            sys.stderr.write(json.dumps(line, separators=(",", ":")) + "\n")
            return start_response(status, headers, exc_info)

        return self._application(environ, start)
