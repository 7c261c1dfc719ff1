"""A throw-away RabbitMQ on loopback, as one broker or as one that is killed and comes back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.support.ports import free_port

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_TIMEOUT = 90


class RabbitMq:
    """A node of its own: ports, folder and name are nobody else's. `with` starts and ends it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        self.port = free_port()
        self._name = f"t{self.port}@localhost"
        self._epmd, self._distribution = free_port(), free_port()

    @staticmethod
    def present() -> bool:
        return _SERVER.is_file()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the node, on what it kept, and wait until it answers."""
        (self._folder / "plugins").write_text("[].")
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")},
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with (self._folder / "output").open("ab") as output:
            self._names = subprocess.Popen(["epmd"], env=environ, stdout=output, stderr=output, cwd=self._folder)
            while not self._listens(self._epmd):  # else the node starts one that outlives it
                assert self._names.poll() is None
                time.sleep(0.02)
            self._process = subprocess.Popen(
                [str(_SERVER)], env=environ, stdout=output, stderr=output, start_new_session=True, cwd=self._folder
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._greets():
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, (self._folder / "output").read_text("utf-8", "replace")[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9, with everything the node started."""
        for process in _in_session(self._process.pid):
            os.kill(process, signal.SIGKILL)
        self._names.kill()
        self._process.wait()
        self._names.wait()

    def wipe(self) -> None:
        """Forget everything it kept; only while it is down."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    @staticmethod
    def _listens(port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
        return False

    def _greets(self) -> bool:
        """Whether it speaks AMQP: a wrong greeting is answered with the right one."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x09\x09\x09\x09")
                return connection.recv(4) == b"AMQP"
        except OSError:
            return False


def _in_session(leader: int) -> list[int]:
    """The processes of the session this one leads: the node and its port mapper."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found
