"""The production server: Granian in front of the application, several worker processes, graceful drain on SIGTERM.

The main process prepares the database and the keys, then forks workers that share what it imported. It runs the jobs and
the metrics itself, so neither takes time from a request.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.server import mp
from granian.server.mp import MPServer

from idp.app import create_wsgi
from idp.assembly.following import Again, following
from idp.errors import Refused
from idp.opening import master_key, open_house, prepare
from idp.platform import priority, telemetry
from idp.platform.accesslog import AccessLog
from idp.platform.db import Waiting
from idp.platform.jobs import Loop
from idp.platform.telemetry import Metrics
from idp.platform.turnstile import IDLE_SECONDS, Turnstile
from idp.platform.web import WsgiApp
from idp.settings import Settings
from idp.wiring import House, build
from lifespan import end_with_parent, hear_signals

_BACKLOG = 2048
_HEADER_TIMEOUT_MS = 10_000
_AROUND_APPLICATIONS = "_wsgi_call_wrap"
_KEPT_ENVIRONMENT = ("PATH", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"news": {"()": lambda: _is_news}},
    "loggers": {"_granian": {"level": "WARNING", "propagate": True, "filters": ["news"]}},
}


def _is_news(record: logging.LogRecord) -> bool:
    """Granian doubts any number of threads above twice the cores'; ours wait for the database, so it is intended."""
    return "spawning up to" not in record.getMessage()


class _Server(MPServer):
    """Granian, with threads of the main process that start only once the workers are forked."""

    def __init__(self, after_fork: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._after_fork = after_fork

    def startup(self, *arguments: Any) -> None:
        super().startup(*arguments)  # type: ignore[no-untyped-call]
        self._after_fork()


def serve(settings: Settings, again: Again, *, jobs: bool) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish for at most `shutdown_grace` seconds.

    `again` reads the settings anew, for those that may change meanwhile.
    """
    telemetry.configure(settings.log_level)
    _refuse_unservable(settings)
    prepare(settings)
    gc.collect()
    gc.freeze()  # forked workers share these pages as long as nobody writes to them
    if settings.asks_for_certificates:
        _serve_certificates(settings, again, jobs)
        return
    hear_signals()
    with ExitStack() as running:
        metrics = Path(running.enter_context(TemporaryDirectory(prefix="idp-metrics-")))
        server = _Server(
            after_fork=partial(_run_background, settings, again, jobs, running, metrics),
            target="idp",
            address=settings.host,
            port=settings.port,
            interface=Interfaces.WSGI,
            runtime_mode=RuntimeModes.st,  # one thread moves the bytes, the blocking threads do the work
            http=HTTPModes.auto if settings.tls_cert_file else HTTPModes.http1,  # without TLS nobody speaks HTTP/2
            websockets=False,
            workers=settings.workers,
            blocking_threads=settings.threads,
            blocking_threads_idle_timeout=IDLE_SECONDS,
            backlog=_BACKLOG,
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
            ssl_cert=settings.tls_cert_file,
            ssl_key=settings.tls_key_file,
            log_dictconfig=_LOGGING,
            respawn_failed_workers=True,
            respawn_interval=0.1,
            workers_kill_timeout=settings.shutdown_grace,
        )
        server.serve(target_loader=partial(_worker, settings, again, metrics), wrap_loader=False)


def _serve_certificates(settings: Settings, again: Again, jobs: bool) -> None:
    """The same by Gunicorn, which shows the application the certificate of a connection; Granian does not."""
    try:
        from idp.wsgi_certificates import serve as run  # noqa: PLC0415 - an extra, loaded only where it is switched on
    except ModuleNotFoundError as error:
        raise Refused("tls", "client certificates at the server itself need the extra gunicorn") from error
    run(settings, partial(_load, settings, again), partial(_run_background, settings, again, jobs))


def _refuse_unservable(settings: Settings) -> None:
    """What the server would find out too late, with its workers running or without saying which file or port it is."""
    for host, port in ((settings.host, settings.port), ("127.0.0.1", settings.metrics_port)):
        if port is not None:
            _refuse_taken(host, port)
    for path in filter(None, (settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)):
        if not os.access(path, os.R_OK):
            raise Refused("tls", f"{path} cannot be read")


def _refuse_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused("port", f"cannot listen on {host} port {port}: {error.strerror}") from error


def _worker(settings: Settings, again: Again, folder: Path) -> WsgiApp:
    """What a worker of Granian runs; one of Gunicorn waits for signals in ways of its own, and has few threads."""
    hear_signals()
    turnstile = Turnstile()
    turnstile.start()
    _stand_around_requests(turnstile)
    application = _load(settings, again, folder, turnstile)
    priority.interrupt_nobody()  # the thread that moves bytes is started now: it moves many at once when others are at work
    return application


def _stand_around_requests(turnstile: Turnstile) -> None:
    """Nothing that Granian documents comes after an answer was sent: its own function around an application gets another one around it."""
    made = getattr(mp, _AROUND_APPLICATIONS)
    setattr(mp, _AROUND_APPLICATIONS, lambda *given: turnstile.around(made(*given)))


def _load(settings: Settings, again: Again, folder: Path, waiting: Waiting | None = None) -> WsgiApp:
    """A worker's application. Granian copies the environment into every request: secrets must not travel there."""
    end_with_parent()
    for name in set(os.environ).difference(_KEPT_ENVIRONMENT):
        del os.environ[name]
    metrics = Metrics(folder)
    house = build(settings, master_key(settings), metrics=metrics, waiting=waiting)
    watcher = house.watcher()
    watcher.poll()
    house.keyring.reload()
    house.resource_directory.reload()
    Loop("generations", watcher.poll, seconds=1.0).__enter__()
    Loop("metrics", metrics.write, seconds=1.0).__enter__()
    if house.database.lease is not None:
        Loop("lease", house.database.lease.keep, seconds=1.0).__enter__()
    _follow(house, again)
    return create_wsgi(house, _access_log(settings))


def _follow(house: House, again: Again) -> None:
    loop = following(house, again)
    if loop is not None:
        loop.__enter__()


def _access_log(settings: Settings) -> AccessLog | None:
    if settings.log_level not in {"debug", "info"}:
        return None
    access_log = AccessLog(sys.stderr)
    Loop("access log", access_log.flush_later, seconds=0).__enter__()
    Finalize(None, access_log.flush, exitpriority=1)  # a worker ends without `atexit`
    return access_log


def _run_background(settings: Settings, again: Again, jobs: bool, running: ExitStack, metrics: Path) -> None:
    from idp.background import Background  # noqa: PLC0415 - after the fork: the workers need none of it

    house = running.enter_context(open_house(settings))
    _follow(house, again)
    running.enter_context(Background(house, jobs=jobs, metrics=metrics))
