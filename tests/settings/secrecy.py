"""Everything running with secrets in files, as an operator keeps them, and the places in which none of them may be seen."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests.resource_server.apis import Apis, register
from tests.support.flows import App
from tests.support.ports import free_port
from tests.support.running import BIN, Process, RunningIdp, clean_environment


def as_every_process_shows(*, environments: bool = True) -> str:
    """The command lines of all processes, and their environments, as `ps` shows them to whoever may see them."""
    options = "axeww" if environments else "axww"
    return subprocess.run(["ps", options], capture_output=True, text=True, errors="replace", check=True).stdout


def shown_in(text: str, hidden: Mapping[str, str]) -> list[str]:
    """The names of those that are in it."""
    return [name for name, secret in hidden.items() if secret in text]


@dataclass(frozen=True)
class Kept:
    """Both programs, a worker and a payment provider, each with its secrets in files; `hidden` are all of them, by name."""

    apis: Apis
    app: App
    hidden: dict[str, str]
    folder: Path

    def logs(self) -> str:
        """What everybody has logged."""
        return "".join(path.read_text("utf-8", "replace") for path in self.folder.rglob("*.log"))


def in_files(folder: Path, hidden: Mapping[str, str]) -> dict[str, str]:
    """The same secrets as settings that name files."""
    given = {}
    for name, secret in hidden.items():
        file = folder / name.lower()
        file.touch(mode=0o600)
        file.write_text(secret)
        given[f"{name}_FILE"] = str(file)
    return given


@contextmanager
def everything_running(folder: Path, database: str, redis: str) -> Iterator[Kept]:
    """Start it, on PostgreSQL and a queue in Redis, and stop it. No mail server and no database password is what it seems."""
    url = f"http://127.0.0.1:{free_port()}"
    provider_port = free_port()
    hidden = {
        "IDP_MASTER_KEY": secrets.token_urlsafe(32),
        "IDP_DATABASE_URL": _with_password(database),
        "IDP_MAIL_URL": f"smtp://mail:{secrets.token_urlsafe(16)}@127.0.0.1:{free_port()}",
        "RS_SECRET": secrets.token_urlsafe(48),
        "RS_PROVIDER_SECRET": secrets.token_urlsafe(32),
        "RS_DATABASE_URL": _with_password(database),
    }
    idp = RunningIdp(folder / "idp")
    (folder / "files").mkdir(mode=0o700)
    del idp.environ["IDP_MAIL_URL"]
    idp.environ.update(in_files(folder / "files", {k: v for k, v in hidden.items() if k.startswith("IDP_")}))
    with ExitStack() as running:
        # What a process shows is what it was executed with, not what it became.
        running.enter_context(mock.patch.dict(os.environ, SERVER_BIN=str(BIN)))
        running.enter_context(idp.cluster())
        idp.cli("init")
        idp.node(idp.port, workers=2)
        hidden["RS_EVENTS_TOKEN"], app, service = register(idp, url)
        hidden["client secret"], hidden["service's secret"] = (one.client["client_secret"] for one in (app, service))
        mine = {name: secret for name, secret in hidden.items() if name.startswith("RS_")}
        settings = {
            **clean_environment(),
            **in_files(folder / "files", mine),
            "RS_ISSUER": idp.issuer,
            "RS_AUDIENCE": url,
            "RS_DATA_DIR": str(folder / "services"),
            "RS_QUEUE_URL": redis,
            "RS_WORKER": "apart",
            "RS_PROVIDER_URL": f"http://127.0.0.1:{provider_port}",
            "RS_OUTBOUND_ALLOW": "127.0.0.0/8",
            "RS_WEBHOOK_RETRIES": "0.05",
        }

        def start(ready: str, *command: str) -> Process:
            program = [str(BIN / "resource-server"), *command]
            process = Process(program, settings, folder / f"{command[0]}.log", ready)
            running.callback(process.stop)
            return process

        simulator = ("provider-simulator", "--port", str(provider_port), "--latency", "0")
        start(f"http://127.0.0.1:{provider_port}/readyz", *simulator)
        process = start(f"{url}/readyz", "serve", "--port", url.rpartition(":")[2])
        start(f"{url}/readyz", "worker")
        provider = settings["RS_PROVIDER_URL"]
        passwords = {f"{name}'s password": _password(hidden[name]) for name in hidden if name.endswith("_URL")}
        hidden = {name: secret for name, secret in hidden.items() if not name.endswith("_URL")} | passwords
        yield Kept(Apis(idp, url, process, app, service, provider), app, hidden, folder)


def _with_password(url: str) -> str:
    """PostgreSQL trusts whom it meets in tests, and takes any."""
    scheme, _, rest = url.partition("://postgres@")
    return f"{scheme}://postgres:{secrets.token_urlsafe(16)}@{rest}"


def _password(url: str) -> str:
    return url.partition("@")[0].rpartition(":")[2]
