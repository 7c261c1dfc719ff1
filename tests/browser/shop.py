"""The sample app with its identity provider and its API, as `idp demo` wires them, on free ports."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from idp.cli import demo_payments
from tests.resource_server.apis import PROVIDER_SECRET, simulator
from tests.support.ports import free_port
from tests.support.running import BIN, Process, RunningIdp, clean_environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "login_with" / "app.py"
SCOPES = {
    "users:read": "See your user record",
    "orders:read": "See your orders",
    "orders:write": "Place orders for you",
    "payments:read": "See your payments",
    "payments:write": "Make payments for you",
    "payments:operate": "Look after payments",
}


@dataclass(frozen=True)
class Shop:
    """Where everything is."""

    idp: RunningIdp
    app: str
    api: str
    client_id: str
    services: Process
    """What answers at `api`."""

    def person(self) -> str:
        """Somebody who has allowed nothing yet; the name is as long as names of people are."""
        name = f"ada.{secrets.token_hex(3)}"
        self.idp.user(name, "--claim", "name=Ada Lovelace", "--claim", "locale=en")
        return name


@contextmanager
def open_shop(
    folder: Path, *, host: str = "127.0.0.1", provider: Mapping[str, str] | None = None, **settings: str
) -> Iterator[Shop]:
    """Start the three servers, the API with these settings; stop them all at the end. `host` is the identity provider's.

    `provider`: a payment provider that behaves so is started with them.
    """
    api, app = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    started: list[Process] = []
    idp_settings = {"signup": "on", "signup_max": "1000", "login_max_failures_per_address": "100000"}
    with ExitStack() as stack:
        idp = stack.enter_context(RunningIdp(folder, host=host, **idp_settings))
        if provider is not None:
            paying = simulator(folder, f"{api}/provider-callbacks", **{**provider, "shop": app})
            settings = {
                "RS_PROVIDER_URL": stack.enter_context(paying),
                "RS_PROVIDER_SECRET": PROVIDER_SECRET,
                **settings,
            }
        options = [word for name, words in SCOPES.items() for word in ("--scope", f"{name}={words}")]
        idp.cli("resource", "create", api, "--name", "Demo shop", "--claim", "roles", *options)
        idp.cli(
            *("details-type", "create", demo_payments.TYPE, "--schema", "-", "--name", demo_payments.NAME),
            *("--resource", api, "--words", demo_payments.WORDS, "--maximum", demo_payments.MAXIMUM, "--once"),
            stdin=json.dumps(demo_payments.SCHEMA),
        )
        client = idp.client(
            client_name="Demo shop window",
            client_uri=app,
            policy_uri=f"{app}/privacy",
            tos_uri=f"{app}/terms",
            redirect_uris=[f"{app}/callback"],
            post_logout_redirect_uris=[f"{app}/"],
            backchannel_logout_uri=f"{app}/backchannel-logout",
            grant_types=["authorization_code", "refresh_token"],
            scope="openid profile email offline_access " + " ".join(SCOPES),
            audience=[api],
            authorization_details_types=[demo_payments.TYPE],
        )
        receiver = idp.cli("receiver", "create", f"{api}/events", "--events", "user.*", "--audience", api)
        try:
            started.append(_api(folder, idp, api, receiver["token"], settings))
            started.append(_app(folder, idp, api, app, client))
            yield Shop(idp, app, api, client["client_id"], started[0])
        finally:
            for process in started:
                process.stop()


def _api(folder: Path, idp: RunningIdp, api: str, token: str, settings: Mapping[str, str]) -> Process:
    environ = {
        **clean_environment(),
        "RS_ISSUER": idp.issuer,
        "RS_AUDIENCE": api,
        "RS_DATA_DIR": str(folder / "api"),
        "RS_EVENTS_TOKEN": token,
        **settings,
    }
    command = [str(BIN / "resource-server"), "serve", "--port", api.rpartition(":")[2]]
    return Process(command, environ, folder / "resource-server.log", f"{api}/readyz")


def _app(folder: Path, idp: RunningIdp, api: str, app: str, client: dict[str, str]) -> Process:
    environ = {
        **clean_environment(),
        "APP_ISSUER": idp.issuer,
        "APP_CLIENT_ID": client["client_id"],
        "APP_CLIENT_SECRET": client["client_secret"],
        "APP_SECRET_KEY": secrets.token_hex(32),
        "APP_API": api,
        "APP_BASE_URL": app,
        "APP_PORT": app.rpartition(":")[2],
    }
    return Process([sys.executable, str(EXAMPLE)], environ, folder / "app.log", f"{app}/")
