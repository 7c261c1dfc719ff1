"""The same services, each in a process of its own, which call each other over REST, gRPC or a queue; any of them can go and come back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.resource_server.apis import Apis, register, serve, simulator
from tests.support import nursery
from tests.support.gateway import Gateway
from tests.support.ports import free_port, until_free
from tests.support.running import BIN, Process, RunningIdp, clean_environment

SERVICES = ("users", "orders", "payments")
REST = MappingProxyType({"users": "rest", "payments": "rest", "orders": "rest"})
_QUEUES = {service: f"queue://{service}" for service in SERVICES}
SCOPES = {"payments": ("read", "write"), "users": ("read", "deliver")}
SECRET = "a secret that all nodes of these tests share"


@dataclass(frozen=True)
class Apart(Apis):
    """`urls` are the services' own addresses; `processes` those that run."""

    urls: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    at_root = "users"

    def logged(self) -> str:
        return "".join(process.log.read_text() for process in self.processes.values())

    def start(self, service: str, **settings: str) -> None:
        """Start a service at its address."""
        given = {**self.settings, **self.own.get(service, {}), "RS_SERVICE": service, **settings}
        self.processes[service] = serve(self.idp, self.idp.folder, self.urls[service], **given)

    def stop(self, service: str) -> None:
        """As an operator stops it."""
        self.processes.pop(service).stop()

    def kill(self, service: str) -> None:
        """As a machine dies. Its workers end a moment later; by then the next one may want their port."""
        self.processes.pop(service).kill()
        until_free(int(self.urls[service].rpartition(":")[2]))

    def worker_settings(self, service: str) -> dict[str, str]:
        """The environment of a worker of a service, on the same database; what a dead one held is free again soon."""
        port = self.urls[service].rpartition(":")[2]
        quick = {"RS_JOB_LEASE": "2", "RS_JOB_RETRY_FIRST": "0.1"}
        folder = {"RS_DATA_DIR": str(self.idp.folder / f"services-{port}")}
        return {**self.settings, **quick, **folder, "RS_SERVICE": service, "RS_ISSUER": self.idp.issuer}


@contextmanager
def open_apart(
    folder: Path,
    idp_database: str | None,
    api_database: str | None,
    api_settings: Mapping[str, str] = MappingProxyType({}),
    *,
    over: Mapping[str, str] = REST,
    **settings_of_idp: str,
) -> Iterator[Apart]:
    """Start everything, and stop it at the end; `over` says by which transport each service is asked, by REST where it does not."""
    over = {**REST, **over}
    urls = {service: f"http://127.0.0.1:{free_port()}" for service in SERVICES}
    rpc = {service: str(free_port()) for service, transport in over.items() if transport == "grpc"}
    places = {"rest": urls, "grpc": {name: f"grpc://127.0.0.1:{port}" for name, port in rpc.items()}, "queue": _QUEUES}
    with (
        RunningIdp(folder, idp_database, login_max_failures_per_address="100000", **settings_of_idp) as idp,
        Gateway(urls) as gateway,
        simulator(folder, f"{gateway.url}/provider-callbacks") as provider,
    ):
        url = gateway.url
        events_token, app, service = register(idp, url, also=("orders", "payments"))
        settings = {
            "RS_AUDIENCE": url,
            "RS_EVENTS_TOKEN": events_token,
            "RS_PROVIDER_URL": provider,
            "RS_SECRET": SECRET,
            **{f"RS_{name.upper()}_URL": places[transport][name] for name, transport in over.items()},
            "RS_CALL_TIMEOUT": "5",
            **({"RS_DATABASE_URL": api_database} if api_database else {}),
            **api_settings,
        }
        let_orders_act(idp, url, settings)
        own = {service: {"RS_GRPC_PORT": port} for service, port in rpc.items()}
        apart = Apart(idp, url, idp.nodes[0], app, service, provider, urls=urls, settings=settings, own=own)
        try:
            with ThreadPoolExecutor(len(SERVICES)) as pool:
                list(pool.map(apart.start, SERVICES))
            yield apart
        finally:
            for process in apart.processes.values():
                process.stop()


def let_orders_act(idp: RunningIdp, url: str, settings: Mapping[str, str]) -> None:
    """Orders as a client of the identity provider that may exchange people's tokens for paying and for who they are, as an operator sets it up."""
    for service, names in SCOPES.items():
        scopes = [word for name in names for word in ("--scope", f"{service}:{name}=Do {name}")]
        idp.cli("resource", "create", f"{url}/{service}", "--name", service.title(), "--claim", "roles", *scopes)
    command = [str(BIN / "resource-server"), "client", "orders"]
    environ = {**clean_environment(), **settings}
    printed = nursery.run(command, environ, idp.folder)
    assert printed.returncode == 0, printed.stderr
    client = idp.client(**json.loads(printed.stdout))
    for service, scope in (("payments", "payments:write"), ("users", "users:read")):
        rule = ("--audience", f"{url}/{service}", "--scope", scope, "--from-audience", url)
        idp.cli("exchange", "allow", client["client_id"], *rule)
