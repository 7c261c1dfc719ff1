"""`make cluster`: three identity providers and two of each service behind nginx, on a PostgreSQL and a Redis of their own.

Where nginx is not installed a balancer in Python stands before them.

It listens where `make run` does. Kill any node, it comes back; SIGHUP restarts all of them one by one. Ctrl-C ends it and its data.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from cluster.balancer import Balancer, is_there
from cluster.layout import idp_plans, service_plans
from cluster.node import NotReady, Plan
from cluster.round_robin import RoundRobin
from cluster.supervisor import Cluster
from idp.cli import demo
from idp.opening import initialize, open_house
from idp.settings import Settings
from idp.settings_source import load
from lifespan import Asked
from tests.support import servers

_LISTEN = {"IDP": 8000, "API": 8001}
_FIRST_PORT = 8010
_IDP_NODES, _SERVICE_NODES = 3, 2
_ALONE = ("payment provider", "sample app")


def main() -> int:
    """Start everything, tell where it is, and wait."""
    stopped, rolling = Asked(), Asked()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    signal.signal(signal.SIGHUP, lambda *_: rolling.set())
    try:
        with ExitStack() as running:
            _run(running, stopped, rolling)
            _say("Stopping: each node finishes what it began ...")
        _say("Stopped.")
    except (RuntimeError, NotReady) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(running: ExitStack, stopped: Asked, rolling: Asked) -> None:
    _say("Starting PostgreSQL, Redis, three identity providers and two of each service: half a minute or so ...")
    folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True)))
    postgres, redis = running.enter_context(servers.postgres()), running.enter_context(servers.redis())
    environ = _environ(folder, _database(postgres, "idp"), redis)
    settings = load(environ)
    initialize(settings)
    with open_house(settings) as house:
        credentials = demo.credentials_of(house)
    parts = {part.name: part for part in demo.parts_of(settings, credentials)}
    services = {
        **_inherited(),
        **parts["resource server"].environment,
        "RS_DATABASE_URL": _database(postgres, "services"),
        "RS_QUEUE_URL": redis,
        "RS_SECRET": credentials["app_secret_key"],
        "RS_WORKER": "inside",
    }
    _let_orders_act(settings, services)
    _tell_of_revocations(settings)
    ports = count(_FIRST_PORT).__next__
    plans = [
        *idp_plans(_IDP_NODES, environ, folder, ports),
        *service_plans(_SERVICE_NODES, services, folder, ports),
        *alone(parts, services["RS_SECRET"], folder),
    ]
    balance = Balancer if is_there() else RoundRobin
    cluster = running.enter_context(Cluster(folder / "logs", plans, listen=_LISTEN, balance=balance, tell=_say))
    print(_welcome(cluster, credentials, folder), flush=True)
    while not stopped.wait(0.2):
        if rolling.is_set():
            rolling.clear()
            _say("Restarting one by one: out of the balancer, ended, started, in again ...")
            _say(f"Restarted: {', '.join(cluster.roll())}")


def _say(sentence: str) -> None:
    print(f"  {sentence}", flush=True)


def _tell_of_revocations(settings: Settings) -> None:
    """Users hear of everything at the address of all APIs, as the demo has it; the others there, each at a path of theirs."""
    with open_house(settings) as house:
        for name in ("orders", "payments"):
            house.receivers.create(url=f"{demo.API}/events/{name}", events=["status.*"], audience=demo.API)


def _let_orders_act(settings: Settings, services: Mapping[str, str]) -> None:
    """Orders pay on people's behalf and see who they are: a client with a key of its own, and a rule of exchange for each."""
    program = str(Path(sys.executable).with_name("resource-server"))
    command = [program, "client", "orders"]
    printed = subprocess.run(command, env=services, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    client = json.loads(printed.stdout)
    with open_house(settings) as house:
        for name, scopes in _ASKED.items():
            uri = f"{demo.API}/{name}"
            house.resources.create(uri=uri, name=name.title(), scopes=scopes, claims=("roles",))
        house.clients.create(client)
        for name, scope in (("payments", "payments:write"), ("users", "users:read")):
            house.exchange_rules.allow(
                client["client_id"],
                audience=f"{demo.API}/{name}",
                scopes=(scope,),
                from_audiences=(demo.API,),
                impersonates=False,
            )


_ASKED: Mapping[str, Mapping[str, str]] = {
    "payments": {"payments:read": "See your payments", "payments:write": "Make payments for you"},
    "users": {"users:read": "See who you are", "users:deliver": "See to whom orders are sent"},
}
"""What orders ask of the other services, as scopes of theirs."""


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("IDP_", "RS_", "APP_"))}


def _environ(folder: Path, database: str, redis: str) -> dict[str, str]:
    return {
        **_inherited(),
        "IDP_DATABASE_URL": database,
        "IDP_REDIS_URL": redis,
        "IDP_DATA_DIR": str(folder / "var"),
        "IDP_KEYS_DIR": str(folder / "keys"),
        "IDP_OUTBOUND_ALLOW": "127.0.0.0/8",  # events are pushed to the API on loopback
    }


def _database(server: str, name: str) -> str:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def alone(parts: Mapping[str, demo.Part], secret: str, folder: Path) -> Iterator[Plan]:
    """What there is once, outside nginx; the payment provider knows the services by the `secret` they share."""
    shared = {"payment provider": {"RS_SECRET": secret}}
    for name in _ALONE:
        if name in parts:
            part = parts[name]
            port, _, path = part.ready.removeprefix("http://127.0.0.1:").partition("/")
            own = {**_inherited(), **part.environment, "RS_DATA_DIR": str(folder / "var"), **shared.get(name, {})}
            yield Plan(name.replace(" ", "-"), "", int(port), tuple(part.command), own, f"/{path}")


def _welcome(cluster: Cluster, credentials: Mapping[str, str], folder: Path) -> str:
    nodes = "\n".join(
        f"    {node.plan.name:18} port {node.plan.port}  process {node.pid}" for node in cluster.nodes.values()
    )
    before = "nginx" if isinstance(cluster.balancer, Balancer) else "a balancer in Python, for want of nginx"
    return f"""
  Sample app with "Log in with"   {demo.APP}
  Identity provider, by nginx     http://127.0.0.1:{_LISTEN["IDP"]}
  APIs                            {demo.API}

  Sign in as      {credentials["username"]}
  with password   {credentials["password"]}

  Before the nodes stands {before}:

{nodes}

  Kill any of them, it comes back: kill -9 -- -PROCESS. Restart all, one by one: kill -HUP {os.getpid()}.
  Logs are in {folder}/logs; Ctrl-C stops all of it and removes its data.
"""


if __name__ == "__main__":
    sys.exit(main())
