"""Clusters of real nodes behind a real nginx, on PostgreSQL and Redis."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.balancer import Balancer, nginx
from cluster.layout import idp_plans, service_plans
from cluster.node import Node
from cluster.round_robin import RoundRobin
from cluster.supervisor import Cluster
from tests.orders.apart import let_orders_act
from tests.resource_server.apis import PROVIDER_SECRET, Caller, simulator
from tests.support import databases
from tests.support.flows import App, Browser
from tests.support.ports import free_port
from tests.support.running import RunningIdp, clean_environment

_LOGGED_WITHIN = 30
CALLBACK = "https://app.test/callback"
SCOPES = ("users:read", "orders:read", "orders:write", "payments:read", "payments:write")


@dataclass(frozen=True)
class Site:
    """What is reached through nginx: a provider with one person, one app that may call the API, and one service."""

    idp: RunningIdp
    api: str
    cluster: Cluster
    app: App
    service: App

    def browser(self) -> Browser:
        """Somebody's browser; before an nginx that closes kept connections as it is reloaded, it opens one for each request."""
        browser = Browser(self.idp.url)
        if self.cluster.balancer.closes_kept:
            browser.http.headers["Connection"] = "close"
        return browser

    def served(self, request_id: str) -> Node:
        """The node that answered this request, by the access log, which is written when the answer is on its way already."""
        deadline = time.monotonic() + _LOGGED_WITHIN
        while time.monotonic() < deadline:
            for line in self.cluster.balancer.log.read_text("utf-8").splitlines():
                if f" {request_id} " in line:
                    return self.cluster.serving(line.rsplit(" ", 1)[-1])
            time.sleep(0.01)
        raise AssertionError("the request was never logged")

    def caller(self, token: str) -> Caller:
        return Caller(self.api, token)


@pytest.fixture(scope="module", autouse=True)
def _balancer() -> None:
    try:
        nginx()
    except RuntimeError as error:
        pytest.skip(str(error))


@contextmanager
def open_site(
    folder: Path,
    postgres: str,
    redis: str,
    *,
    idps: int,
    services: int,
    revive: bool,
    balance: type[Balancer] | type[RoundRobin] = Balancer,
) -> Iterator[Site]:
    """Start it all, and end it."""
    ports = {"IDP": free_port(), "API": free_port()}
    issuer, api = (f"http://127.0.0.1:{port}" for port in ports.values())
    with ExitStack() as paying:
        idp_url, services_url = (paying.enter_context(databases.empty_postgres(postgres)) for _ in range(2))
        idp = RunningIdp(
            folder / "idp", idp_url, issuer=issuer, redis_url=redis, login_max_failures_per_address="100000"
        )
        idp.url = issuer
        idp.cli("init")
        idp.user("alice", "--email-verified")
        options = [word for scope in SCOPES for word in ("--scope", f"{scope}=Do {scope}")]
        idp.cli("resource", "create", api, "--name", "The services", *options)
        receiver = idp.cli("receiver", "create", f"{api}/events", "--events", "user.*,status.*", "--audience", api)
        own = {
            **clean_environment(),
            "RS_ISSUER": issuer,
            "RS_AUDIENCE": api,
            "RS_DATABASE_URL": services_url,
            "RS_EVENTS_TOKEN": receiver["token"],
            "RS_SECRET": secrets.token_urlsafe(48),
            "RS_PROVIDER_SECRET": PROVIDER_SECRET,
            "RS_JOB_LEASE": "3",
            "RS_RATE_READS": "0",
            "RS_RATE_WRITES": "0",
        }
        if services:
            let_orders_act(idp, api, own)
            own["RS_PROVIDER_URL"] = paying.enter_context(simulator(folder, f"{api}/provider-callbacks"))
        plans = [
            *idp_plans(idps, idp.environ, folder, free_port),
            *service_plans(services, own, folder, free_port),
        ]
        with Cluster(folder / "cluster", plans, listen=ports, revive=revive, balance=balance) as cluster:
            grants = ["authorization_code", "refresh_token"]
            app = idp.client(client_name="App", redirect_uris=[CALLBACK], grant_types=grants, audience=[api])
            service = idp.client(client_name="Service", grant_types=["client_credentials"], audience=[api])
            yield Site(idp, api, cluster, App(issuer, app), App(issuer, service))


@pytest.fixture(scope="module")
def site(postgres_server: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three nodes of the identity provider, which nobody revives."""
    with open_site(
        tmp_path_factory.mktemp("c"), postgres_server, redis_url, idps=3, services=0, revive=False
    ) as opened:
        yield opened


@pytest.fixture(scope="module", params=[Balancer, RoundRobin], ids=lambda balance: balance.__name__)
def whole(
    request: pytest.FixtureRequest, postgres_server: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Three identity providers and two of each service, watched over; behind nginx, and behind what stands in for it."""
    nodes = {"idps": 3, "services": 2}
    folder, balance = tmp_path_factory.mktemp("w"), request.param
    with open_site(folder, postgres_server, redis_url, **nodes, revive=True, balance=balance) as opened:
        yield opened
