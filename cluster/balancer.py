"""nginx in front of the nodes: rendered from `deploy/nginx`, told of nodes that leave and come by a reload that drops no request."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

TEMPLATES = Path(__file__).parents[1] / "deploy" / "nginx"
GROUPS = ("idp", "users", "orders", "payments")
_NOBODY = "server 127.0.0.1:9 down;"
_WORD = re.compile(r"\$\{([A-Z_]+)\}")
_TIMEOUT = 30
_KEEPALIVE_MIN = "keepalive_min_timeout 5s;"


class Balancer:
    """`listen` says where nginx answers, by `IDP` and `API`; `servers` which addresses stand in each group.

    `more` fills in what else stands in the templates, and `sites` names them. Where `closes_kept`, a reload closes the kept connections of clients
    at once, also one on which a request is on its way: who asked sees it reset, and repeats the request or not.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listen: Mapping[str, int],
        servers: Mapping[str, Iterable[str]],
        more: Mapping[str, str] = MappingProxyType({}),
        sites: Sequence[str] = ("site",),
    ) -> None:
        self._folder = folder
        self._listen = listen
        self._more = more
        self._sites = sites
        self._servers = {group: dict.fromkeys(servers.get(group, ()), "") for group in GROUPS}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "access.log"
        self.closes_kept = not _spares_kept()

    def start(self) -> None:
        """Start nginx and wait until it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(TEMPLATES / "headers.conf", self._folder)
        self._write()
        command = [nginx(), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]
        with (self._folder / "nginx.log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603
        self._until(self._listening, "nginx does not listen")

    def take_out(self, address: str) -> None:
        """No request reaches this node any more, once this returns; those on their way have been answered."""
        self._mark(address, " down")

    def put_in(self, address: str) -> None:
        """The node gets its share again."""
        self._mark(address, "")

    def stop(self) -> None:
        """Let requests finish, then end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.terminate()
                self._process.wait()

    def _mark(self, address: str, state: str) -> None:
        for servers in self._servers.values():
            if address in servers:
                servers[address] = state
                self._reload()

    def _reload(self) -> None:
        """New workers with the new configuration; over once the old ones have answered what they had and are gone."""
        assert self._process is not None, "nginx does not run"
        self._write()
        old = _children(self._process.pid)
        self._process.send_signal(signal.SIGHUP)
        master = self._process.pid
        self._until(lambda: not (old & _children(master)), "the old workers of nginx do not end")

    def _write(self) -> None:
        words = {
            "LOG": str(self.log),
            "KEEPALIVE_MIN": "" if self.closes_kept else _KEEPALIVE_MIN,
            **{f"{name}_TLS": "" for name in self._listen},
            **{f"{name}_LISTEN": f"127.0.0.1:{port}" for name, port in self._listen.items()},
            **{f"{group.upper()}_SERVERS": _lines(servers) for group, servers in self._servers.items()},
            **self._more,
        }
        for site in self._sites:
            text = fill((TEMPLATES / f"{site}.conf.template").read_text("utf-8"), words)
            (self._folder / f"{site}.conf").write_text(text, "utf-8")
        (self._folder / "nginx.conf").write_text(_main(self._folder, self._sites), "utf-8")

    def _listening(self) -> bool:
        try:
            for port in self._listen.values():
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not holds():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{otherwise}: see {self._folder / 'nginx.log'}")
            time.sleep(0.02)


def nginx() -> str:
    """The program; Debian keeps it where only root's PATH looks."""
    if (found := _found()) is None:
        raise RuntimeError("nginx is not on this machine: apt-get install nginx")
    return found


def is_there() -> bool:
    """Whether this machine has nginx."""
    return _found() is not None


def _found() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _spares_kept() -> bool:
    """Whether a reload leaves the kept connections of clients open for a while, as nginx can from 1.27.4 on."""
    done = subprocess.run([nginx(), "-v"], capture_output=True, text=True, check=True)  # noqa: S603
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", done.stderr)
    return found is not None and tuple(map(int, found.groups())) >= (1, 27, 4)


def fill(template: str, words: Mapping[str, str]) -> str:
    """The template with its `${WORDS}` filled in; nginx's own `$variables` stay. A word that is missing is a `KeyError`."""
    return _WORD.sub(lambda found: words[found.group(1)], template)


def _lines(servers: Mapping[str, str]) -> str:
    if not servers:
        return _NOBODY
    return " ".join(f"server {address} max_fails=1 fail_timeout=2s{state};" for address, state in servers.items())


def _main(folder: Path, sites: Sequence[str]) -> str:
    """What surrounds the sites: where nginx keeps its own files, as whoever runs it."""
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    kept = "".join(
        f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    included = "".join(f"    include {site}.conf;\n" for site in sites)
    return (
        f"{user}\ndaemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\nworker_shutdown_timeout 20s;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{\n{kept}{included}}}\n"
    )


def _children(parent: int) -> set[int]:
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
    pairs = (line.split() for line in done.stdout.splitlines())
    return {int(child) for child, of in pairs if int(of) == parent}
