"""The `resource-server` command."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer
from sqlalchemy.exc import OperationalError

from lifespan import end_with_parent, hear_signals
from resource_server.app import build, build_worker, create_wsgi, metrics_folder, shared_secret, start_background
from resource_server.calls.exchange import GRANT_TYPE, OWN
from resource_server.calls.opening import service_key
from resource_server.calls.users import DELIVER
from resource_server.following import Again
from resource_server.payments import ledger
from resource_server.payments import service as payments
from resource_server.payments.provider import ProviderDown
from resource_server.platform.logs import configure_logs
from resource_server.platform.metrics import serve_metrics
from resource_server.settings import Settings, SettingsError, again, load
from resource_server.simulator.accounts import Accounts
from resource_server.simulator.server import Manner, Server, Simulator
from resource_server.work.jobs import Jobs
from resource_server.work.worker import run_until

_KEPT_ENVIRONMENT = ("PATH", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
_JOB_COLUMNS = ("id", "kind", "state", "attempts", "last_error", "created_at")
REFUSED, WRONG_USAGE = 1, 2


@click.group()
@click.option("--env-file", type=click.Path(path_type=Path), help="a file of settings")
@click.pass_context
def resource_server(context: click.Context, env_file: Path | None) -> None:
    """The APIs: users, orders, payments. Settings come from the environment, --env-file and .env."""
    context.obj = env_file


def _settings(**overrides: Any) -> Settings:
    return load(os.environ, click.get_current_context().find_root().obj, _given(overrides))


def _again(**overrides: Any) -> Again:
    """What reads the same settings anew while they are in use."""
    return again(os.environ, click.get_current_context().find_root().obj, _given(overrides))


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if value is not None}


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
    _refuse_without_grpc(settings)
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
    hear_signals()
    _open_metrics(settings)
    server.serve(target_loader=partial(_load, settings, _again(**options)), wrap_loader=False)


@resource_server.command()
@click.option("--service", type=click.Choice(["all", "users", "orders", "payments"]))
@click.option("--only", type=click.Choice(["jobs", "relay"]), help="with a broker: run jobs, or announce them")
def worker(only: str | None, **options: Any) -> None:
    """Do the services' work, until SIGTERM: what runs is finished, the rest is left to others."""
    settings = _settings(**options)
    configure_logs(settings.log_level)
    _prepare(settings)
    process = build(settings)
    stopped = _stopped()
    stopping = start_background(process, _again(**options))
    run_until(build_worker(process, relay=only != "jobs", jobs=only != "relay"), stopped)
    stopping.set()


@resource_server.command("provider-simulator")
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=click.IntRange(1, 65535), default=8004)
@click.option("--callback-url", help="default: /provider-callbacks of RS_AUDIENCE")
@click.option("--latency", type=float, default=0.05, help="seconds each request takes")
@click.option("--hang", type=float, default=10.0, help="seconds a magic time-out lasts")
@click.option("--late", type=float, default=3.0, help="seconds until a late callback")
@click.option(
    "--shop", "shops", multiple=True, help="origin that payers may go back to from their bank; several are possible"
)
def provider_simulator(host: str, port: int, callback_url: str | None, shops: tuple[str, ...], **manner: float) -> None:
    """Play the payment provider, with magic sums that decline, time out and call back twice. Moves no money."""
    settings = _settings()
    configure_logs(settings.log_level)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    known_by = payments.provider_secrets(settings, shared_secret(settings))
    callbacks = callback_url or f"{settings.audience}/provider-callbacks"
    accounts = Accounts(settings.data_dir / f"provider-simulator-{port}.sqlite3")
    behaving = Manner(known_by, callbacks, url=f"http://{host}:{port}", shops=shops, **manner)
    server = Server(Simulator(accounts, behaving), host, port)
    stopped = _stopped()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopped.wait()
    server.shutdown()


def _stopped() -> threading.Event:
    """Set by SIGTERM and Ctrl-C."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    hear_signals()
    return stopped


@resource_server.command()
@click.argument("service", type=click.Choice(["orders"]))
def client(service: str) -> None:
    """Print what a service registers with at the issuer (RFC 7591), for `idp client create --file -`: its name and its public key, no secret."""
    settings = _settings()
    key = service_key(settings, shared_secret(settings), service)
    document = {
        "client_id": key.client_id,
        "client_name": f"The {service} service",
        "grant_types": [GRANT_TYPE, OWN],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": key.algorithm,
        "jwks": key.jwks(),
        "scope": DELIVER,
        "audience": [settings.audiences(other)[1] for other in ("payments", "users")],
    }
    click.echo(json.dumps(document, indent=2))


@resource_server.command()
@click.option("--repair", is_flag=True, help="begin what the payment machine can put right by itself")
@click.option("--quiet", type=click.FloatRange(0), help="leave out what changed within so many seconds")
def reconcile(repair: bool, quiet: float | None) -> None:
    """Compare our payments and ledger with the provider's books; exit 1 when they differ. Prints JSON."""
    settings = _settings(service="payments")
    process = build(settings)
    (service,) = process.services
    assert service.jobs is not None, "payments have work"
    comparing = payments.reconciliation(settings, shared_secret(settings), service.store, service.jobs)
    try:
        report = comparing.run(quiet=settings.reconcile_quiet if quiet is None else quiet, repair=repair)
    except ProviderDown as error:
        raise OSError(f"the payment provider cannot be asked: {error}") from error
    finally:
        process.close()
    click.echo(json.dumps(report.document(), indent=2))
    if report.differences:
        raise click.exceptions.Exit(REFUSED)


@resource_server.group()
def jobs() -> None:
    """Work that waits, and dead letters."""


@jobs.command("list")
@click.option("--state", type=click.Choice(["waiting", "running", "done", "dead"]), default="dead")
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def list_jobs(state: str, as_json: bool) -> None:
    """Show jobs in a state, dead letters unless said otherwise; never what they carry."""
    found = [
        {"service": service, **{name: getattr(row, name) for name in _JOB_COLUMNS}}
        for service, queue in _queues()
        for row in queue.listed(state)
    ]
    if as_json:
        click.echo(json.dumps(found))
    for one in () if as_json else found:
        click.echo(
            f"{one['service']} {one['id']} {one['kind']} {one['attempts']} tries, {one['last_error'] or 'no error'}"
        )


@jobs.command()
@click.argument("identifier", required=False)
@click.option("--all", "every", is_flag=True, help="every dead letter")
def replay(identifier: str | None, every: bool) -> None:
    """Give a dead letter, or all, their tries anew."""
    if (identifier is None) != every:
        raise click.UsageError("name one dead letter, or say --all")
    replayed = sum(queue.replay(identifier) for _, queue in _queues())
    if identifier is not None and not replayed:
        raise click.ClickException("there is no such dead letter")
    click.echo(f"{replayed} replayed")


def _queues() -> list[tuple[str, Jobs]]:
    process = build(_settings())
    return [(service.name, service.jobs) for service in process.services if service.jobs is not None]


@resource_server.command()
def recount() -> None:
    """Put the sums of the ledger right, after an update from a version that kept none."""
    process = build(_settings(service="payments"))
    wrong = ledger.recount(process.services[0].store)
    process.close()
    for (account, currency), value in sorted(wrong.items()):
        click.echo(f"{account} {currency} was wrong by {value}")
    click.echo("the sums are right")


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


def _refuse_without_grpc(settings: Settings) -> None:
    """What a worker would find out, and the next one after it."""
    if settings.grpc_port is not None:
        if find_spec("grpc_reflection") is None:
            raise SettingsError(["RS_GRPC_PORT: needs the extra grpc"])
        _refuse_taken(settings.host, settings.grpc_port)


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


def _load(settings: Settings, reading: Again) -> Any:
    """A worker's application; Granian copies the environment into every request, so secrets leave it first."""
    hear_signals()
    end_with_parent()
    for name in set(os.environ).difference(_KEPT_ENVIRONMENT):
        del os.environ[name]
    return create_wsgi(settings, reading)


def main() -> None:
    """The console script; errors become one sentence each on stderr."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        status: int | None = resource_server.main(arguments, "resource-server", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help(), file=sys.stderr)
        return WRONG_USAGE
    except (click.ClickException, click.Abort, SettingsError, OperationalError, OSError) as error:
        sentences, refused = _sentences(error)
        print(*(f"Error: {sentence}" for sentence in sentences), sep="\n", file=sys.stderr)
        return refused
    return status or 0


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
