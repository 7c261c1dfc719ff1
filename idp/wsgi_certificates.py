"""The production server where clients show certificates to ourselves (RFC 8705): Gunicorn, whose connections the application can look at.

It runs as the other one does (`idp.wsgi`): workers are forked first, then the main process starts jobs and metrics beside them. Of what
Gunicorn can do besides, nothing is on: no control socket, no headers it believes, no log of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from idp.errors import Refused
from idp.platform.web import WsgiApp
from idp.settings import Settings

_CIPHERS = ":".join(
    f"ECDHE-{kind}-AES{bits}-GCM-SHA{digest}" for kind in ("ECDSA", "RSA") for bits, digest in ((128, 256), (256, 384))
)
"""Of TLS 1.2 (BCP 195 §4.2); those of 1.3 are all good."""
_SILENCE = 10
"""Seconds a client may be silent in the middle of a request."""
_BACKLOG, _KEEP_ALIVE = 2048, 30
_MAX_LINE, _MAX_FIELD = 8190, 16 * 1024


class _Impatient(ssl.SSLSocket):
    """A connection that is cut off when the client falls silent: a thread waits for its handshake and for the rest of its request."""

    def settimeout(self, value: float | None) -> None:
        super().settimeout(_SILENCE if value is None else value)

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)


class _Log(Logger):  # type: ignore[misc]
    """Warnings go where all of ours go, and nothing else is said."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)

    def exception(self, msg: str, *arguments: Any, **keywords: Any) -> None:
        if not isinstance(sys.exception(), TimeoutError):  # a silent client is no news
            super().exception(msg, *arguments, **keywords)


class _Application(BaseApplication):  # type: ignore[misc]
    """What Gunicorn runs: settings of ours, and an application that each worker loads for itself."""

    def __init__(self, options: Mapping[str, Any], load: Callable[[], WsgiApp]) -> None:
        self._options = options
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WsgiApp:
        return self._load()


class _Server(Arbiter):  # type: ignore[misc]
    """Gunicorn's main process, with threads beside it that start only once the workers are forked."""

    def __init__(self, application: _Application, after_fork: Callable[[], None]) -> None:
        super().__init__(application)
        self._after_fork: Callable[[], None] | None = after_fork

    def spawn_workers(self) -> None:
        super().spawn_workers()  # a worker never returns from here
        if self._after_fork is not None:
            start, self._after_fork = self._after_fork, None
            start()


def serve(
    settings: Settings, load: Callable[[Path], WsgiApp], run_background: Callable[[ExitStack, Path], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish for at most `shutdown_grace` seconds."""
    main, running, metrics = os.getpid(), ExitStack(), Path(mkdtemp(prefix="idp-metrics-"))
    running.callback(shutil.rmtree, metrics, ignore_errors=True)
    try:
        application = _Application(_options(settings), lambda: load(metrics))
        _Server(application, lambda: run_background(running, metrics)).run()
    finally:
        if os.getpid() == main:  # a worker leaves through here too
            running.close()


def _options(settings: Settings) -> dict[str, Any]:
    context = tls_context(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": f"{host}:{settings.port}",
        "workers": settings.workers,
        "worker_class": "gthread",
        "threads": settings.threads,
        "backlog": _BACKLOG,
        "keepalive": _KEEP_ALIVE,
        "graceful_timeout": settings.shutdown_grace,
        "limit_request_line": _MAX_LINE,
        "limit_request_field_size": _MAX_FIELD,
        "certfile": str(settings.tls_cert_file),
        "keyfile": str(settings.tls_key_file),
        "ssl_context": lambda _config, _default: context,
        "logger_class": _Log,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "proxy_allow_ips": "",
    }


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS that asks each client for a certificate and takes none but what our authorities issued; raises `Refused`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.sslsocket_class = _Impatient
    try:
        context.load_cert_chain(str(settings.tls_cert_file), str(settings.tls_key_file))
        context.load_verify_locations(str(settings.tls_client_ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Refused("tls", f"the TLS files cannot be used: {error}") from error
    return context
