"""The composition root: the services of one process, behind one guard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

import sqlalchemy as sa
import structlog
from flask import Flask, Response, jsonify
from token_guard import Guard
from token_guard.adapters.flask import FlaskGuard

from resource_server.api import problems
from resource_server.api.edge import Edge, WsgiApp
from resource_server.api.events import EventReceiver
from resource_server.api.guarding import build_guard
from resource_server.api.metadata import metadata_operations
from resource_server.api.migration import migration_page
from resource_server.api.openapi.reference import reference_operations
from resource_server.api.openapi.serving import described, document_operations
from resource_server.api.operation import Mounting, Operation, mount, prepare
from resource_server.api.problem_pages import problem_pages
from resource_server.api.rates import Rates
from resource_server.api.revocations import Revocations
from resource_server.api.service import Parts, Service, Work
from resource_server.api.token_page import TokenPage
from resource_server.api.versions import Version, Versions
from resource_server.calls.opening import join_remote
from resource_server.edges.joined import Edges
from resource_server.following import Again, following
from resource_server.orders import service as orders
from resource_server.payments import service as payments
from resource_server.platform.metrics import Metrics
from resource_server.platform.secret import Secret, kept_in
from resource_server.platform.shared_counts import SharedCounts
from resource_server.platform.store import open_engines
from resource_server.settings import Settings, SettingsError
from resource_server.users import service as users
from resource_server.work.runner import Runner
from resource_server.work.steps import NO_STEPS, Steps
from resource_server.work.transports import open_transport
from resource_server.work.worker import Worker
from setting_sources.databases import Leased, leased

_BUILDERS = {users.NAME: users.build, orders.NAME: orders.build, payments.NAME: payments.build}
_PRUNE_SECONDS = 600.0
log = structlog.get_logger("rs")


@dataclass(frozen=True, slots=True)
class Process:
    """What one process is made of: one service, or all of them side by side."""

    settings: Settings
    flask: Flask
    guard: Guard
    metrics: Metrics
    services: tuple[Service, ...]
    steps: Steps
    rates: Rates
    lease: Leased | None

    def upgrade(self) -> None:
        """Bring each service's schema to its newest version, and what is sealed there under our secret while we know two."""
        for service in self.services:
            if not service.store.is_newest():
                from resource_server.platform import schema  # noqa: PLC0415 - Alembic, only where something is to be migrated

                schema.upgrade(service.store)
            if self.settings.secret_other is not None:
                service.renew_seals()

    def operations(self) -> list[Operation]:
        """What its services answer, each for tokens of theirs."""
        audiences = self.settings.audiences
        return [one.of_service(audiences(service.name)) for service in self.services for one in service.operations]

    def close(self) -> None:
        """Let go of all connections, and of credentials that are leased."""
        for service in self.services:
            service.store.engine.dispose()
        if self.lease is not None:
            self.lease.give_back()


def build(settings: Settings, metrics: Metrics | None = None, steps: Steps = NO_STEPS) -> Process:
    """Build the services; no thread is started and nothing is fetched."""
    metrics = metrics or Metrics()
    app = Flask("resource_server", static_folder=None)
    urls = {name: settings.database(name) for name in settings.services}
    engines = open_engines(app, urls, pool_size=settings.database_pool)
    lease = leased(settings)
    if lease is not None:
        for engine in engines.values():
            lease.attach(engine)
    secret = shared_secret(settings)
    guard = build_guard(settings, secret)
    parts = Parts(settings, guard, Edges(), secret, metrics, steps)
    services = tuple(_BUILDERS[name](parts, engine) for name, engine in engines.items())
    join_remote(settings, secret, parts.edges)
    counts = SharedCounts(settings.data_dir / f"rates-{settings.port}")
    rates = Rates(counts, reads=settings.rate_reads, writes=settings.rate_writes)
    process = Process(settings, app, guard, metrics, services, steps, rates, lease)
    _mount(process)
    return process


def _mount(process: Process) -> None:
    app, settings = process.flask, process.settings
    prepare(app)

    def mounting(service: str, guard: Guard) -> Mounting:
        guarded = FlaskGuard(guard, problems.refused, trace_id=problems.trace_id)
        return Mounting(service, guarded, process.rates, process.metrics)

    found = {
        service.name: [operation.of_service(settings.audiences(service.name)) for operation in service.operations]
        for service in process.services
    }
    _versions(settings, found).install(app)
    for service in process.services:
        mount(app, found[service.name], mounting(service.name, service.guard))
    mount(app, _common(process, found), mounting("all", process.guard))


def _versions(settings: Settings, found: Mapping[str, list[Operation]]) -> Versions:
    """v1 ends where v2 follows it."""
    every = [operation for operations in found.values() for operation in operations]
    old = Version(
        "v1",
        deprecated=int(settings.v1_deprecated.timestamp()),
        sunset=int(settings.v1_sunset.timestamp()),
        successor="v2",
        brownouts=settings.v1_brownouts,
        followed=frozenset(operation.collection for operation in every if operation.version == "v2"),
    )
    return Versions([old, Version("v2")])


def shared_secret(settings: Settings) -> Secret:
    """What the operator set, or what was made in the data directory, which does not do in production; raises `SettingsError`."""
    if settings.secret is None and settings.env == "production":
        raise SettingsError(["RS_SECRET: must be given in production: all nodes share it"])
    text = settings.secret.get_secret_value() if settings.secret else kept_in(settings.data_dir)
    return Secret(text, settings.secret_other.get_secret_value() if settings.secret_other else None)


def _common(process: Process, found: dict[str, list[Operation]]) -> list[Operation]:
    """What a process has once, whichever services it is."""
    listeners = [listener for service in process.services for listener in service.listeners]
    settings = process.settings
    receiver = EventReceiver(
        process.guard,
        issuer=settings.issuer,
        receives_as=settings.receives_as,
        revocations=[service.revocations for service in process.services],
        listeners=listeners,
        services=settings.services,
    )
    return [
        *receiver.operations(),
        *document_operations(settings, process.services),
        *reference_operations(settings, described(settings, process.services)[""]),
        *TokenPage(process.guard).operations(),
        *metadata_operations(process.guard, found),
        *problem_pages(),
        migration_page(),
        Operation("GET", "/livez", None, _alive),
        Operation("GET", "/readyz", None, _readiness(process)),
    ]


def create_wsgi(settings: Settings, again: Again | None = None) -> WsgiApp:
    """What a server process runs: warm keys, background work, and the application behind its access log; `again` reads the settings anew."""
    process = build(settings, Metrics(metrics_folder(settings) if settings.metrics_port else None))
    start_background(process, again)
    if settings.worker == "inside":
        worker = build_worker(process)
        worker.start()
        Finalize(None, worker.stop, exitpriority=1)  # what it began is finished, not left to a lease that must run out
    application = Edge(process.flask.wsgi_app, logged=settings.log_level in {"debug", "info"})
    if settings.grpc_port is not None:
        _serve_rpc(process, application)
    if settings.messages_url is not None:
        _listen(process, application)
    return application


def _listen(process: Process, application: WsgiApp) -> None:
    """Answer what other services ask through the broker; what was taken off it is answered before the process ends."""
    from resource_server.calls.lines import open_line  # noqa: PLC0415 - brokers are an extra, loaded only where one is switched on
    from resource_server.rpc.listening import Listener  # noqa: PLC0415 - the same

    settings = process.settings
    listener = Listener(open_line(settings.broker), settings.services, application, process.operations(), process.guard)
    listener.start(threads=settings.worker_threads)
    Finalize(None, listener.stop, exitpriority=1)


def _serve_rpc(process: Process, application: WsgiApp) -> None:
    """The same over gRPC, in this process; what it began is finished when the process ends."""
    from resource_server.rpc.server import build_server  # noqa: PLC0415 - gRPC is an extra, loaded only where it is switched on

    settings = process.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server, _port = build_server(
        application,
        process.operations(),
        process.guard,
        address=f"{host}:{settings.grpc_port}",
        threads=settings.threads,
        tls=settings.grpc_tls,
    )
    server.start()
    Finalize(
        None, lambda: server.stop(settings.shutdown_grace).wait(), exitpriority=1
    )  # a worker ends without `atexit`


def start_background(process: Process, again: Again | None = None) -> threading.Event:
    """The threads beside the requests: fetching keys, following settings, and what each service does there. Set the event to stop them."""
    stopping = threading.Event()
    if process.lease is not None:
        _repeat(Work("lease", process.lease.keep, every=1), stopping)
    for work in () if again is None else following(process.settings, again, process.services, process.rates):
        _repeat(work, stopping)
    _repeat(Work("keys", process.guard.warm, until_done=True), stopping)
    _repeat(Work("metrics", process.metrics.write, every=1), stopping)
    for service in process.services:
        for work in (*_following_revocations(service.revocations), *service.work):
            _repeat(work, stopping)
    return stopping


def _following_revocations(revocations: Revocations) -> tuple[Work, ...]:
    """What was told before is heeded before the first request, if the database answers; else as soon as it does."""
    try:
        revocations.follow()
    except Exception as error:
        log.warning("revocations cannot be read yet", error=type(error).__name__)
    return (
        Work("revocations", revocations.follow, every=1),
        Work("old revocations", revocations.prune, every=_PRUNE_SECONDS),
    )


def build_worker(process: Process, *, relay: bool = True, jobs: bool = True) -> Worker:
    """What does the jobs of the services of this process; `relay` and `jobs` say which part of it."""
    settings = process.settings
    runners = {
        service.name: Runner(service.jobs, service.kinds, steps=process.steps)
        for service in process.services
        if service.jobs is not None
    }
    transport = open_transport(settings.queue_url.get_secret_value())
    return Worker(runners, transport, threads=settings.worker_threads, relay=relay, listen=jobs, steps=process.steps)


def _repeat(work: Work, stopping: threading.Event) -> None:
    def run() -> None:
        delay = work.every
        while not stopping.wait(delay):
            try:
                if work.run() and work.until_done:
                    return
                delay = work.every
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
            return _not_ready(keys="absent")
        if not all(service.revocations.known for service in process.services):
            return _not_ready(revocations="unread")
        return jsonify({"status": "ready", "keys": "present" if all(state.fresh for state in keys) else "stale"})

    return ready


def _not_ready(**missing: str) -> Response:
    response = jsonify({"status": "not ready", **missing})
    response.status_code, response.headers["Retry-After"] = 503, "1"
    return response


def metrics_folder(settings: Settings) -> Path:
    """Where the workers of this server put their counters; another server's are elsewhere."""
    return settings.data_dir / f"metrics-{settings.port}"
