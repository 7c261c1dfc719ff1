"""Processes that have loaded a program, and fork for each command that a test gives: to load one takes longer than most of what it does then.

A child is what the console script makes of itself: the same `main` with arguments, environment, folder and streams of its own, ended by the
interpreter. Where `SERVER_BIN` names an installation, as for the bench, and in `make test-full` the commands are executed instead.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any, NoReturn

from tests.support.full import FULL

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "idp": ("idp.__main__", "idp.cli.serve", "idp.background"),
    "resource-server": ("resource_server.__main__", "resource_server.platform.schema"),
}
"""The console scripts, by the modules that they load when they serve; `main` is in the first."""
_LONGEST_REQUEST = 1 << 20
_ENDS_WITHIN = 60.0


class Child:
    """A forked process, with the face of `subprocess.Popen`."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ended, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = int(os.read(self._ended, 16))
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, output: IO[Any]
) -> Child | subprocess.Popen[bytes]:
    """A process of this command in this folder, which writes all it says to `output`."""
    with Path(os.devnull).open("rb") as nothing:
        return _started(command, environ, folder, [nothing, output, output])


def run(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` tells of this command, whatever its exit status."""
    with contextlib.ExitStack() as files:
        typed, output, errors = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        typed.write(stdin)
        typed.seek(0)
        process = _started(command, environ, folder, [typed, output, errors])
        try:
            status = process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(command, status, output.read(), errors.read())


def _started(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, streams: Sequence[IO[Any]]
) -> Child | subprocess.Popen[bytes]:
    """With these as its standard input, output and error."""
    program = Path(command[0]).name
    if not FULL and "SERVER_BIN" not in os.environ and program in PROGRAMS:
        return _forked(program, {"argv": list(command), "environ": dict(environ), "folder": str(folder)}, streams)
    stdin, output, errors = streams
    return subprocess.Popen(command, env=environ, stdin=stdin, stdout=output, stderr=errors, cwd=folder)


_ASKING = Lock()
"""Held by whoever starts a nursery or waits for its answer."""


@cache
def _nursery(program: str) -> socket.socket:
    """Where requests go; started once for this process, and ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__, program, str(theirs.fileno())]
        subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return ours


def _forked(program: str, request: Mapping[str, Any], streams: Sequence[IO[Any]]) -> Child:
    ended, told = os.pipe()
    try:
        with _ASKING:
            nursery = _nursery(program)
            given = [*(stream.fileno() for stream in streams), told]
            socket.send_fds(nursery, [json.dumps(request).encode()], given)
            return Child(int(nursery.recv(16)), ended)
    finally:
        os.close(told)


def serve(program: str, requests: socket.socket) -> None:
    """Load the program, then fork for each request and tell how each child ended, until nobody can ask any more."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    loaded = [importlib.import_module(name) for name in PROGRAMS[program]]
    gc.freeze()
    children: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != requests.fileno():
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *children.pop(key.fd))
                    continue
                text, descriptors, _flags, _address = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
                if not text:
                    return
                *streams, told = descriptors
                pid = os.fork()
                if not pid:
                    signal.signal(signal.SIGINT, interrupted)
                    _become(loaded[0].main, json.loads(text), streams)
                for stream in streams:
                    os.close(stream)
                watched = os.pidfd_open(pid)
                children[watched] = (pid, told)
                selector.register(watched, selectors.EVENT_READ)
                requests.send(str(pid).encode())


def _tell_end(watched: int, pid: int, told: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(told)
    os.close(watched)


def _become(main: Callable[[], object], request: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """What a new process of the command would be."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = request["argv"]
    sys.exit(main())


if __name__ == "__main__":
    gc.disable()
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
