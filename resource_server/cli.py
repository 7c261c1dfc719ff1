"""The `resource-server` command."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import click
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer
from sqlalchemy.exc import OperationalError

from resource_server.app import build, create_wsgi, metrics_folder, start_background
from resource_server.platform.logs import configure_logs
from resource_server.platform.metrics import serve_metrics
from resource_server.settings import Settings, SettingsError, load

_KEPT_ENVIRONMENT = ("PATH", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
REFUSED, WRONG_USAGE = 1, 2


@click.group()
@click.option("--env-file", type=click.Path(path_type=Path), help="a file of settings")
@click.pass_context
def resource_server(context: click.Context, env_file: Path | None) -> None:
    """The APIs: users, orders, payments. Settings come from the environment, --env-file and .env."""
    context.obj = env_file


def _settings(**overrides: Any) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    return load(os.environ, click.get_current_context().find_root().obj, given)


@resource_server.command()
@click.option("--service", type=click.Choice(["all", "users", "orders", "payments"]))
@click.option("--host")
@click.option("--port", type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1))
def serve(**options: Any) -> None:
    """Run the APIs, or one of them."""
    settings = _settings(**options)
    configure_logs(settings.log_level)
    _refuse_taken(settings.host, settings.port)
    _prepare(settings)
    server = MPServer(
        target="resource_server",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=settings.shutdown_grace,
    )
    _open_metrics(settings)
    server.serve(target_loader=partial(_load, settings), wrap_loader=False)


@resource_server.command()
def worker() -> None:
    """Do the background work alone, until SIGTERM."""
    settings = _settings()
    configure_logs(settings.log_level)
    _prepare(settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopping = start_background(build(settings))
    stopped.wait()
    stopping.set()


@resource_server.group()
def db() -> None:
    """Migrations."""


@db.command()
def upgrade() -> None:
    """Bring each service's schema to the newest version."""
    _prepare(_settings())


def _refuse_taken(host: str, port: int) -> None:
    """What the server would find out too late, with its workers running."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def _prepare(settings: Settings) -> None:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = build(settings)
    process.upgrade()
    process.close()


def _open_metrics(settings: Settings) -> None:
    if settings.metrics_port is None:
        return
    folder = metrics_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob("*.json"):
        left.unlink()
    serve_metrics(settings.metrics_port, folder)


def _load(settings: Settings) -> Any:
    """A worker's application; Granian copies the environment into every request, so secrets leave it first."""
    for name in set(os.environ).difference(_KEPT_ENVIRONMENT):
        del os.environ[name]
    return create_wsgi(settings)


def main() -> None:
    """The console script; errors become one sentence each on stderr."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        resource_server.main(arguments, "resource-server", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help(), file=sys.stderr)
        return WRONG_USAGE
    except (click.ClickException, click.Abort, SettingsError, OperationalError, OSError) as error:
        sentences, status = _sentences(error)
        print(*(f"Error: {sentence}" for sentence in sentences), sep="\n", file=sys.stderr)
        return status
    return 0


def _sentences(error: Exception) -> tuple[list[str], int]:
    match error:
        case SettingsError():
            return error.faults, REFUSED
        case click.ClickException():
            return [error.format_message()], WRONG_USAGE
        case OperationalError():
            return ["the database cannot be reached"], REFUSED
        case OSError(strerror=str(reason)):
            return [f"{error.filename}: {reason}" if error.filename else reason], REFUSED
        case OSError():
            return [str(error)], REFUSED
        case _:
            return ["interrupted"], REFUSED
