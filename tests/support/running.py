"""The real servers as processes: started on free ports with settings of their own, stopped by signal."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Self
from unittest import mock
from urllib.parse import urlsplit

import requests
import structlog

from idp.cli import idp as idp_command
from idp.cli.base import run as run_command
from tests.support import nursery
from tests.support.ports import free_port

BIN = Path(os.environ.get("SERVER_BIN") or Path(sys.executable).parent)
"""Where the commands of the servers lie; the bench measures an installation of its own, without what tests need."""
PASSWORD = "correct horse 47 staple"
READY_TIMEOUT = 90


class CliError(AssertionError):
    """A command ended with another exit status than expected."""


class Process:
    """One server process with its log in a file."""

    def __init__(
        self, command: list[str], environ: Mapping[str, str], log: Path, ready: str, ca: Path | None = None
    ) -> None:
        self.log = log
        self._verify: str | bool = str(ca) if ca else True
        with log.open("ab") as output:
            self.process = nursery.start(command, environ, log.parent, output)
        self._wait(ready)

    def _wait(self, ready: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self._answers(ready):
                return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"not ready: {self.log.read_text()[-4000:]}")

    def _answers(self, ready: str) -> bool:
        """It listens at all first: to find out with a whole request that nobody does yet costs a hundred times as much, and the other core's time."""
        where = urlsplit(ready)
        try:
            socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=2).close()
            return requests.get(ready, timeout=2, verify=self._verify).status_code == 200
        except OSError:  # what requests raises is one, too
            return False

    def stop(self, timeout: float = 90) -> int:
        """SIGTERM, then wait; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class RunningIdp:
    """An initialized identity provider; `node()` starts a server, the first one at the issuer's port."""

    def __init__(
        self, folder: Path, database_url: str | None = None, *, host: str = "127.0.0.1", **settings: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{host}:{self.port}"
        own = {
            "IDP_ISSUER": self.url,
            "IDP_PORT": str(self.port),
            "IDP_DATA_DIR": str(folder / "var"),
            "IDP_KEYS_DIR": str(folder / "keys"),
            "IDP_BCRYPT_COST": "4",
            "IDP_OUTBOUND_ALLOW": "127.0.0.0/8",
            "IDP_MAIL_URL": f"file://{folder / 'mail'}",
            **({"IDP_DATABASE_URL": database_url} if database_url else {}),
            **{f"IDP_{name.upper()}": value for name, value in settings.items()},
        }
        self.issuer = own["IDP_ISSUER"]
        self.environ = {**clean_environment(), **own}
        self.nodes: list[Process] = []

    def __enter__(self) -> Self:
        self.cli("init")
        self.node(self.port)
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @contextmanager
    def cluster(self) -> Iterator[None]:
        """Ends every node at the end, without having initialized or started anything."""
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """End every node."""
        for node in self.nodes:
            node.process.send_signal(signal.SIGTERM) if node.process.poll() is None else None
        for node in self.nodes:
            node.stop()

    def node(
        self,
        port: int | None = None,
        *,
        workers: int = 1,
        scheme: str = "http",
        ca: Path | None = None,
        **settings: str,
    ) -> str:
        """Start one more server process on the same database, with settings of its own; returns its base URL."""
        port = port or free_port()
        command = [str(BIN / "idp"), "serve", "--port", str(port), "--workers", str(workers)]
        log = self.folder / f"idp-{port}.log"
        base = f"{scheme}://127.0.0.1:{port}"
        environ = {**self.environ, **{f"IDP_{name.upper()}": value for name, value in settings.items()}}
        self.nodes.append(Process(command, environ, log, f"{base}/readyz", ca))
        return base

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One `idp` command, whatever its exit status."""
        return nursery.run([str(BIN / "idp"), *arguments], self.environ, self.folder, stdin)

    def tried(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """The same within this process, which saves its start."""
        output, errors = io.StringIO(), io.StringIO()
        with _elsewhere(self.folder, self.environ, stdin), redirect_stdout(output), redirect_stderr(errors):
            status = run_command(idp_command, list(arguments), "idp")
        return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())

    def cli(self, *arguments: str, stdin: str = "") -> Any:
        """One `idp` command that must succeed, within this process; returns its JSON document."""
        done = self.tried(*arguments, "--json", stdin=stdin)
        if done.returncode != 0:
            raise CliError(f"{arguments}: {done.returncode} {done.stderr}")
        return json.loads(done.stdout)

    def user(self, name: str, *options: str, password: str = PASSWORD) -> dict[str, Any]:
        """A person with a password."""
        given = ("user", "create", name, "--email", f"{name}@example.com", "--password-stdin", *options)
        made: dict[str, Any] = self.cli(*given, stdin=f"{password}\n")
        return made

    def client(self, **metadata: Any) -> dict[str, Any]:
        """A registered client with its secret."""
        made: dict[str, Any] = self.cli("client", "create", "--file", "-", stdin=json.dumps(metadata))
        return made

    def logs(self, until: str = "") -> str:
        """What all nodes logged, once `until` is in it: under load lines are written together."""
        deadline = time.monotonic() + READY_TIMEOUT
        while until not in (text := "".join(path.read_text() for path in self.folder.glob("*.log"))):
            assert time.monotonic() < deadline, f"never logged: {until}"
            time.sleep(0.01)
        return text


_IN_PROCESS = threading.Lock()


@contextmanager
def _elsewhere(folder: Path, environ: Mapping[str, str], stdin: str) -> Iterator[None]:
    """This process as another one would find itself: its folder, environment and standard input."""
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with (
        _IN_PROCESS,
        chdir(folder),
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "stdin", typed),
    ):
        try:
            yield
        finally:
            structlog.reset_defaults()  # a command that logs would leave this process logging to where nobody reads


def clean_environment() -> dict[str, str]:
    """The environment of tests, without settings of ours that might lie in it, and of a Python that keeps what it compiled."""
    ours = ("IDP_", "RS_", "APP_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
