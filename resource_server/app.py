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
from resource_server.api.events import EventReceiver
from resource_server.api.guarding import build_guard
from resource_server.api.metadata import metadata_operations
from resource_server.api.operation import Operation, mount, prepare
from resource_server.api.service import Parts, Service, Work
from resource_server.edges.joined import Edges
from resource_server.orders import service as orders
from resource_server.payments import service as payments
from resource_server.platform.store import open_engines
from resource_server.settings import Settings
from resource_server.users import service as users

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_POLL_SECONDS = 0.3
_BUILDERS = {users.NAME: users.build, orders.NAME: orders.build, payments.NAME: payments.build}
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = structlog.get_logger("rs")


@dataclass(frozen=True, slots=True)
class Process:
    """What one process is made of: one service, or all of them side by side."""

    settings: Settings
    flask: Flask
    guard: Guard
    services: tuple[Service, ...]

    def upgrade(self) -> None:
        """Bring each service's schema to its newest version."""
        for service in self.services:
            service.store.upgrade()

    def close(self) -> None:
        for service in self.services:
            service.store.engine.dispose()


def build(settings: Settings) -> Process:
    """Build the services; no thread is started and nothing is fetched."""
    app = Flask("resource_server", static_folder=None)
    urls = {name: settings.database(name) for name in settings.services}
    engines = open_engines(app, urls, pool_size=settings.database_pool)
    guard = build_guard(settings)
    parts = Parts(settings, guard, Edges())
    services = tuple(_BUILDERS[name](parts, engine) for name, engine in engines.items())
    process = Process(settings, app, guard, services)
    _mount(process)
    return process


def _mount(process: Process) -> None:
    app, settings = process.flask, process.settings
    problems.install(app)
    prepare(app)
    found = {
        service.name: [operation.of_service(settings.audiences(service.name)) for operation in service.operations]
        for service in process.services
    }
    for service in process.services:
        guarded = FlaskGuard(service.guard, problems.refused, trace_id=problems.trace_id)
        mount(app, found[service.name], guarded)
    mount(app, _common(process, found), FlaskGuard(process.guard, problems.refused, trace_id=problems.trace_id))


def _common(process: Process, found: dict[str, list[Operation]]) -> list[Operation]:
    """What a process has once, whichever services it is."""
    listeners = [listener for service in process.services for listener in service.listeners]
    receiver = EventReceiver(process.guard, receives_as=process.settings.receives_as, listeners=listeners)
    return [
        *receiver.operations(),
        *metadata_operations(process.guard, found),
        Operation("GET", "/livez", None, _alive),
        Operation("GET", "/readyz", None, _readiness(process)),
    ]


def create_wsgi(settings: Settings) -> WsgiApp:
    """What a server process runs: warm keys, background work, and the application behind its access log."""
    process = build(settings)
    start_background(process)
    return _Edge(process.flask.wsgi_app, logged=settings.log_level in {"debug", "info"})


def start_background(process: Process) -> threading.Event:
    """The threads beside the requests: fetching keys, and what each service does there. Set the event to stop them."""
    stopping = threading.Event()
    _repeat(Work("keys", process.guard.warm, until_done=True), stopping)
    for service in process.services:
        for work in service.work:
            _repeat(work, stopping)
    return stopping


def _repeat(work: Work, stopping: threading.Event) -> None:
    def run() -> None:
        delay = _POLL_SECONDS
        while not stopping.wait(delay):
            try:
                if work.run() and work.until_done:
                    return
                delay = _POLL_SECONDS
            except Exception as error:
                log.warning("background work failed", work=work.name, error=type(error).__name__)
                delay = min(delay * 2, 10)

    threading.Thread(target=run, name=work.name, daemon=True).start()


def _alive() -> Response:
    return jsonify({"status": "alive"})


def _readiness(process: Process) -> Callable[[], Response]:
    def ready() -> Response:
        for service in process.services:
            with service.store.read() as tx:
                tx.execute(sa.select(sa.literal(1)))
        keys = process.guard.keys().values()
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
