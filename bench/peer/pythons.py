"""Peers written in Python: each in an environment of its own, made with the interpreter of the measured server."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from bench import load
from bench.load import Repeat
from bench.peer import basic
from tests.support.ports import free_port
from tests.support.running import BIN, Process, clean_environment

WORKERS = "2"


class PythonPeer(ABC):
    """One peer on a port of its own, on SQLite with the best settings that it offers and nothing else; `install` it, then enter it."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    about: ClassVar[str]
    """How it runs: what the report has to say of it."""
    token: ClassVar[str]
    ready: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.environ = clean_environment()
        self._bin = folder / "venv" / "bin"

    def install(self) -> str | None:
        """Install it and give it what it needs to know; None when it worked, else why not."""
        self.folder.mkdir(parents=True)
        pip = ("pip", "install", "--disable-pip-version-check", "--quiet", *self.packages)
        try:
            subprocess.run(
                [BIN / "python", "-m", "venv", self._bin.parent], check=True, capture_output=True, timeout=120
            )
            self.run(*pip)
            self.prepare()
        except (OSError, subprocess.SubprocessError) as error:
            return f"installing {' and '.join(self.packages)} failed ({type(error).__name__})"
        return None

    @abstractmethod
    def prepare(self) -> None:
        """Make its database, with a client `service` that has the secret of the benchmark."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The server."""

    def run(self, name: str, *arguments: str, stdin: str = "") -> str:
        """One command of its environment that must succeed; what it printed."""
        command = [str(self._bin / name), *arguments]
        given = {"env": self.environ, "cwd": self.folder, "input": stdin, "timeout": 600}
        return subprocess.run(command, check=True, capture_output=True, text=True, **given).stdout

    def __enter__(self) -> Self:
        name, *arguments = self.command()
        command = [str(self._bin / name), *arguments]
        self._process = Process(command, self.environ, self.folder / "log", self.url + self.ready)
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stop()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def pid(self) -> int:
        return self._process.process.pid

    def service_tokens(self) -> Repeat:
        form = "grant_type=client_credentials&scope=read"
        return Repeat(load.post(self.token, form, basic("service"), host=self.host))
