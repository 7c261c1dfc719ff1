"""`idp demo`, what `make run` runs: the identity provider, the APIs and a sample app in one terminal, with nothing to set up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

import click

from idp.assembly.details import details_type_admin
from idp.cli import demo_company, demo_payments, demo_people
from idp.cli.base import Invocation
from idp.errors import Refused
from idp.opening import initialize, open_house
from idp.platform import mailbox_pages
from idp.platform.files import put_file
from idp.platform.ids import new_secret
from idp.settings import PREFIX, Settings
from idp.wiring import House
from lifespan import Asked

API, APP, PROVIDER = "http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8004"
_READY_TIMEOUT = 60
_STOP_TIMEOUT = 25
_SHOP_SCOPES = {
    "users:read": "See your user record",
    "orders:read": "See your orders",
    "orders:write": "Place orders for you",
    "payments:read": "See your payments",
    "payments:write": "Make payments for you",
}
_API_SCOPES = {
    **_SHOP_SCOPES,
    "users:write": "Change what the services know of you",
    "payments:refund": "Give money back",
    "payments:operate": "Look after payments: what waits, what failed, whether the books balance",
    "webhooks:manage": "Manage where events are sent",
}
_EXAMPLE = Path(__file__).parents[2] / "examples" / "login_with"


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the demo: how it is started and the URL that answers once it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: str


@click.command()
def demo() -> None:
    """Run the identity provider, the resource server and a sample app; Ctrl-C stops all of it."""
    started = time.monotonic()
    settings = click.get_current_context().ensure_object(Invocation).settings()
    if settings.env == "production":
        raise Refused("demo", "the demo does not run in production")
    company = demo_company.company_of(settings)
    for url in (settings.issuer, API, APP, company.issuer, PROVIDER):
        _refuse_if_taken(url)
    initialize(settings)
    with open_house(settings) as house:
        credentials = {**credentials_of(house), **{f"company_{k}": v for k, v in demo_company.introduce(house).items()}}
    parts = [*parts_of(settings, credentials), _company(settings, company)]
    _run(parts, settings, credentials, started)


def _refuse_if_taken(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port.partition("/")[0] or 80)))
        except OSError as error:
            raise Refused("port", f"something else listens on {url}: stop it first") from error


def credentials_of(house: House) -> dict[str, str]:
    """The demo's secrets, made on first use and kept in the data directory, readable by its owner only."""
    path = house.settings.data_dir / "demo.json"
    kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if "reference_client_id" in kept:
        return kept
    made = {
        **demo_people.fresh(),
        "app_client_id": "demo-app",
        "app_client_secret": new_secret(),
        "app_secret_key": new_secret(),
        "reference_client_id": "demo-reference",
        "service_client_id": "demo-service",
        "service_client_secret": new_secret(),
    }
    made |= {"events_token": _register(house, made), **demo_people.settle(house, made)}
    put_file(path.parent, path.name, json.dumps(made, indent=2).encode())
    return made


def _register(house: House, made: Mapping[str, str]) -> str:
    """A resource, a type of details, two clients and a receiver; what an unfinished first run left behind is replaced."""
    _forget(house, made)
    house.resources.create(uri=API, name="Demo shop", scopes=_API_SCOPES, claims=("roles",))
    details_type_admin(house).create(
        identifier=demo_payments.TYPE,
        name=demo_payments.NAME,
        schema=demo_payments.SCHEMA,
        resources=(API,),
        words=demo_payments.WORDS,
        maximums=(demo_payments.MAXIMUM,),
        once=True,
    )
    for document in (_app_client(made), _service_client(made), _reference_client(made)):
        house.clients.create(document)
    _receiver, token = house.receivers.create(url=f"{API}/events", events=["user.*", "status.*"], audience=API)
    return token


def _forget(house: House, made: Mapping[str, str]) -> None:
    for client_id in (made["app_client_id"], made["service_client_id"], made["reference_client_id"]):
        if house.clients.find(client_id) is not None:
            house.clients.delete(client_id)
    types = details_type_admin(house)
    if demo_payments.TYPE in {one.type for one in types.list()}:
        types.delete(demo_payments.TYPE)
    if house.resources.find(API) is not None:
        house.resources.delete(API)
    for receiver in house.receivers.list():
        if receiver.url == f"{API}/events":
            house.receivers.delete(receiver.id)


def _app_client(made: Mapping[str, str]) -> dict[str, object]:
    return {
        "client_id": made["app_client_id"],
        "client_secret": made["app_client_secret"],
        "client_name": "Demo shop window",
        "client_uri": APP,
        "redirect_uris": [f"{APP}/callback"],
        "post_logout_redirect_uris": [f"{APP}/"],
        "backchannel_logout_uri": f"{APP}/backchannel-logout",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access payments:operate " + " ".join(_SHOP_SCOPES),
        "audience": [API],
        "authorization_details_types": [demo_payments.TYPE],
    }


def _service_client(made: Mapping[str, str]) -> dict[str, object]:
    return {
        "client_id": made["service_client_id"],
        "client_secret": made["service_client_secret"],
        "client_name": "Demo service",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "payments:read payments:write payments:refund webhooks:manage orders:read orders:write",
        "audience": [API],
    }


def _reference_client(made: Mapping[str, str]) -> dict[str, object]:
    """The page of the APIs on which people log in to try calls."""
    return {
        "client_id": made["reference_client_id"],
        "client_name": "Reference of the demo shop",
        "client_uri": f"{API}/reference",
        "redirect_uris": [f"{API}/reference"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        "scope": " ".join(_API_SCOPES),
        "audience": [API],
    }


def parts_of(settings: Settings, credentials: Mapping[str, str]) -> list[Part]:
    """The processes of the demo, in the order they start."""
    program = str(Path(sys.executable).parent)
    api = {
        "RS_ISSUER": settings.issuer,
        "RS_AUDIENCE": API,
        "RS_DATA_DIR": str(settings.data_dir),
        "RS_EVENTS_TOKEN": credentials["events_token"],
        "RS_REFERENCE_CLIENT_ID": credentials["reference_client_id"],
        "RS_WORKER": "apart",
        "RS_PROVIDER_URL": PROVIDER,
    }
    app = {
        "APP_ISSUER": settings.issuer,
        "APP_CLIENT_ID": credentials["app_client_id"],
        "APP_CLIENT_SECRET": credentials["app_client_secret"],
        "APP_SECRET_KEY": credentials["app_secret_key"],
        "APP_API": API,
        "APP_BASE_URL": APP,
        "APP_PORT": "8002",
    }
    # The API's pushes and the IdP's own address are loopback: only the demo lets the outbound guard reach it.
    idp = {**_shown(settings), "IDP_OUTBOUND_ALLOW": "127.0.0.0/8"}
    services, provider = f"{program}/resource-server", PROVIDER.rpartition(":")[2]
    simulator = [services, "provider-simulator"]
    parts = [
        Part("idp", [f"{program}/idp", "serve", "--workers", "1"], idp, f"{settings.issuer}/readyz"),
        Part("resource server", [services, "serve", "--port", "8001"], api, f"{API}/readyz"),
        Part("payment provider", [*simulator, "--port", provider, "--shop", APP], api, f"{PROVIDER}/readyz"),
        Part("worker", [services, "worker"], api, f"{API}/readyz"),
    ]
    if _EXAMPLE.is_dir():
        parts.append(Part("sample app", [sys.executable, str(_EXAMPLE / "app.py")], app, f"{APP}/"))
    return parts


def _company(settings: Settings, company: Settings) -> Part:
    command = [f"{Path(sys.executable).parent}/idp", "serve", "--workers", "1"]
    return Part("company", command, demo_company.environment(settings), f"{company.issuer}/readyz")


def _shown(settings: Settings) -> dict[str, str]:
    """What the demo switches on to show it, where nobody set it otherwise."""
    wanted = {
        "mail_url": f"mailbox://{(settings.data_dir / 'mailbox').resolve()}",
        "signup": "on",
        "email_login": "true",
    }
    return {f"{PREFIX}{name.upper()}": value for name, value in wanted.items() if name not in settings.model_fields_set}


def _passkeys(settings: Settings) -> str:
    """How to have passkeys where the issuer is an address: browsers bind them to names."""
    told = "\n  Passkeys belong to names: IDP_ISSUER=http://localhost:8000 make run has them.\n"
    return told if settings.issuer.startswith("http://127.") else ""


def _mailbox(settings: Settings) -> str:
    """Where the letters of the demo are read."""
    return "by IDP_MAIL_URL" if "mail_url" in settings.model_fields_set else settings.url(mailbox_pages.PATH)


def _run(parts: Sequence[Part], settings: Settings, credentials: Mapping[str, str], started: float) -> None:
    stopping = Asked()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with ExitStack() as running:
        processes = {part.name: running.enter_context(_Process(part, settings.data_dir)) for part in parts}
        if _wait_until_ready(parts, processes, stopping):
            print(_welcome(settings, credentials, time.monotonic() - started), flush=True)
        while not stopping.wait(0.3):
            _refuse_if_dead(processes)


class _Process:
    """A child in a process group of its own, so that Ctrl-C reaches it once and in order."""

    def __init__(self, part: Part, data_dir: Path) -> None:
        self._part = part
        self.log = data_dir / f"{part.name.replace(' ', '-')}.log"

    def __enter__(self) -> _Process:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs
                self._part.command,
                env={**os.environ, **self._part.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _wait_until_ready(parts: Sequence[Part], processes: Mapping[str, _Process], stopping: Asked) -> bool:
    deadline = time.monotonic() + _READY_TIMEOUT
    for part in parts:
        while not _answers(part.ready):
            _refuse_if_dead(processes)
            if time.monotonic() > deadline:
                raise Refused("demo", f"the {part.name} does not become ready, see {processes[part.name].log}")
            if stopping.wait(0.05):
                return False
    return True


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback URLs
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _refuse_if_dead(processes: Mapping[str, _Process]) -> None:
    for name, running in processes.items():
        if running.process.poll() is not None:
            raise Refused("demo", f"the {name} ended by itself, see {running.log}")


def _welcome(settings: Settings, credentials: Mapping[str, str], seconds: float) -> str:
    return f"""
  Sample app with "Log in with"   {APP}
  Identity provider               {settings.issuer}
  Users, orders and payments API  {API}/reference
  Mail that would be sent         {_mailbox(settings)}

  Sign in as      {credentials["username"]}
  with password   {credentials["password"]}

  With a second step   {credentials["second_username"]}, password {credentials["second_password"]}
  whose key is         {credentials["second_key"]} (for your authenticator app)
  or, once             {credentials["second_recovery_code"]} (a recovery code)
  Or press "{demo_company.TITLE}": there you are {credentials["company_username"]}, password {credentials["company_password"]}

  At the shop's desk ({APP}/desk) you are {credentials["staff_username"]}, password {credentials["staff_password"]}
{_passkeys(settings)}
  A token for a service:
    curl -u '{credentials["service_client_id"]}:{credentials["service_client_secret"]}' \\
      -d grant_type=client_credentials {settings.url("/oauth/token")}

  Logs are in {settings.data_dir}/, everything was made on first use. Ready in {seconds:.1f} s; Ctrl-C stops all of it.
"""
