"""The three services beside their identity provider, both as real processes on free ports."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from idp.opening import open_house
from idp.settings_source import load
from tests.support.flows import App, Browser, claims
from tests.support.ports import free_port
from tests.support.running import BIN, Process, RunningIdp, clean_environment

SCOPES = (
    *("users:read", "users:write", "orders:read", "orders:write"),
    *("payments:read", "payments:write", "payments:refund", "payments:operate", "webhooks:manage"),
)
SHOP = "https://shop.test"
PROVIDER_SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1wcm92aWRlcg=="
ALL = " ".join(SCOPES)
PROBLEM = {"type", "title", "status", "detail", "instance", "code", "trace_id", "retryable"}


@dataclass(frozen=True)
class Caller:
    """Who calls an API, by the token they have."""

    api: str
    token: str

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, document: Any, **headers: str) -> requests.Response:
        return self.request("POST", path, json=document, headers=headers)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return requests.request(method, f"{self.api}{path}", headers=sent, timeout=30, allow_redirects=False, **options)


@dataclass(frozen=True)
class Apis:
    """A running identity provider and the running services that trust it."""

    idp: RunningIdp
    url: str
    process: Process
    app: App
    service: App
    provider: str
    subjects: dict[str, str] = field(default_factory=dict)
    at_root = ""
    """The service that answers what belongs to none: where all are one process, it is all of them."""

    def logged(self) -> str:
        """What the services logged."""
        return self.process.log.read_text()

    def person(self, scope: str = ALL) -> Caller:
        """Somebody new who has allowed the app these scopes."""
        return self.caller(self.new_person(), scope)

    def new_person(self, *options: str) -> str:
        name = f"person-{secrets.token_hex(4)}"
        self.subjects[name] = self.idp.user(name, *options)["sub"]
        return name

    def caller(self, name: str, scope: str = ALL) -> Caller:
        return Caller(self.url, self.app.tokens(Browser(self.idp.url), name, scope=scope)["access_token"])

    def machine(self, scope: str = ALL) -> Caller:
        """A service that calls for itself."""
        response = self.service.post("/oauth/token", grant_type="client_credentials", scope=scope)
        assert response.status_code == 200, response.text
        return Caller(self.url, response.json()["access_token"])


@contextmanager
def open_apis(
    folder: Path,
    idp_database: str | None,
    api_database: str | None,
    api_settings: Mapping[str, str] = MappingProxyType({}),
    **settings: str,
) -> Iterator[Apis]:
    """Start both, and a payment provider, and stop them at the end; `settings` are the identity provider's."""
    url = f"http://127.0.0.1:{free_port()}"
    with RunningIdp(folder, idp_database, login_max_failures_per_address="100000", **settings) as idp:
        events_token, app, service = register(idp, url)
        database = {"RS_DATABASE_URL": api_database} if api_database else {}
        with simulator(folder, f"{url}/provider-callbacks") as provider:
            given = {"RS_AUDIENCE": url, "RS_EVENTS_TOKEN": events_token, "RS_PROVIDER_URL": provider, **database}
            process = serve(idp, folder, url, **given, **api_settings)
            try:
                yield Apis(idp, url, process, app, service, provider)
            finally:
                process.stop()


def register(idp: RunningIdp, url: str, also: Iterable[str] = ()) -> tuple[str, App, App]:
    """The services at the identity provider: the receiver's token, an app for people, and a client that calls for itself.

    `also`: the services that are told of revocations besides.
    """
    options = [word for name in SCOPES for word in ("--scope", f"{name}=Do {name}")]
    idp.cli("resource", "create", url, "--name", "The services", "--claim", "roles", *options)
    receiver = idp.cli("receiver", "create", f"{url}/events", "--events", "user.*,status.*", "--audience", url)
    for name in also:
        idp.cli("receiver", "create", f"{url}/events/{name}", "--events", "status.*", "--audience", url)
    web = {"redirect_uris": ["https://app.test/callback"], "grant_types": ["authorization_code"]}
    app = idp.client(client_name="App", audience=[url], **web)
    service = idp.client(client_name="Service", audience=[url], grant_types=["client_credentials"])
    return receiver["token"], App(idp.url, app), App(idp.url, service)


@contextmanager
def simulator(
    folder: Path, callback_url: str, settings: Mapping[str, str] = MappingProxyType({}), **options: str
) -> Iterator[str]:
    """A payment provider that calls back there, from which payers go back to `SHOP`; its URL."""
    manner = {"port": str(free_port()), "latency": "0", "hang": "1.5", "late": "0.5", "shop": SHOP, **options}
    port = manner["port"]
    command = [str(BIN / "resource-server"), "provider-simulator", "--callback-url", callback_url]
    command += [word for name, value in manner.items() for word in (f"--{name}", value)]
    environ = {
        **clean_environment(),
        "RS_PROVIDER_SECRET": PROVIDER_SECRET,
        "RS_DATA_DIR": str(folder / f"provider-{port}"),
        **settings,
    }
    url = f"http://127.0.0.1:{port}"
    process = Process(command, environ, folder / f"provider-{port}.log", f"{url}/readyz")
    try:
        yield url
    finally:
        process.stop()


def serve(idp: RunningIdp, folder: Path, url: str, ready: str = "/readyz", **settings: str) -> Process:
    """One process of all services at this address."""
    port = url.rpartition(":")[2]
    environ = {
        **clean_environment(),
        "RS_ISSUER": idp.issuer,
        "RS_DATA_DIR": str(folder / f"services-{port}"),
        "RS_PROVIDER_SECRET": PROVIDER_SECRET,
        "RS_PROVIDER_TIMEOUT": "1",
        "RS_PROVIDER_FOLLOW": "0.3",
        "RS_JOB_RETRY_FIRST": "0.1",
        "RS_JOB_LEASE": "3",
        "RS_OUTBOUND_ALLOW": "127.0.0.0/8",
        "RS_RATE_READS": "0",
        "RS_RATE_WRITES": "0",
        **settings,
    }
    command = [str(BIN / "resource-server"), "serve", "--port", port]
    return Process(command, environ, folder / f"resource-server-{port}.log", f"{url}{ready}")


def signed_anew(idp: RunningIdp, token: str, **changes: Any) -> str:
    """The token with other claims, signed by the issuer's own key: what only a faulty issuer would hand out."""
    with open_house(load(idp.environ)) as house:
        house.keyring.reload()
        return house.keyring.signer("ES256").compose("at+jwt", {**claims(token), **changes})


def problem(response: requests.Response, status: int, code: str) -> dict[str, Any]:
    """The problem details of a refusal, which must be exactly this one."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert set(document) - {"errors"} == PROBLEM
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"/problems/{code}"
    assert document["trace_id"] == response.headers["X-Request-Id"]
    assert response.headers["Cache-Control"] == "no-store"
    return document
