"""A wire that can be cut: a TCP proxy between a server and what it needs."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Wire:
    """Passes bytes between its own port and `target`; after `cut` connections end and new ones are closed until `mend`.

    After `hush` they end, too, but new ones are accepted, and hear nothing.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._is_cut = self._is_mute = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            ended, self._open = self._open, set()
        for end in ended:
            _close(end)

    def hush(self) -> None:
        self._is_mute = True
        self.cut()

    def mend(self) -> None:
        self._is_cut = self._is_mute = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                if self._is_mute:
                    with self._lock:
                        self._open.add(near)
                    continue
                if self._is_cut:
                    _close(near)
                    continue
                far = socket.create_connection(self._target)
                with self._lock:
                    self._open |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
