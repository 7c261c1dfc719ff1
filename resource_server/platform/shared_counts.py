"""Counts that the worker processes of one server share: a file mapped into each of them, so that counting costs no database and no network.

A table of fixed size. A key has its place in one of the rows of a bucket; where all are taken by others that still count, the oldest gives way.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock

_ROW = struct.Struct("<16sdI4x")
"""Whose it is, when its window began, how often it was counted since."""
_ROWS, _BUCKETS = 16, 4096
_BUCKET = _ROWS * _ROW.size


class SharedCounts:
    """The counts in the file at `path`, which is made when something is counted first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()

    def add(self, key: str, *, now: float, window: float) -> tuple[float, int]:
        """Count one; when the window of this key began, and how many there were in it. `now` is of a clock that all processes share.

        Who looked at it first may come here last: a window that began a moment after `now` holds it, too.
        """
        whose = hashlib.blake2b(key.encode(), digest_size=16).digest()
        start = int.from_bytes(whose[:4]) % _BUCKETS * _BUCKET
        with self._lock, self._held(start):
            rows = [_ROW.unpack_from(self._map, start + number * _ROW.size) for number in range(_ROWS)]
            place = next((number for number, row in enumerate(rows) if row[0] == whose), None)
            if place is None:
                place = min(range(_ROWS), key=lambda number: rows[number][1])
            _, begun, used = rows[place]
            if rows[place][0] != whose or not -window < now - begun < window:
                begun, used = now, 0
            _ROW.pack_into(self._map, start + place * _ROW.size, whose, begun, used + 1)
            return begun, used + 1

    @contextmanager
    def _held(self, start: int) -> Iterator[None]:
        """One process at a time in a bucket; the system lets go of it for one that dies."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, _BUCKET, start)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _BUCKET, start)

    @cached_property
    def _file(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @cached_property
    def _map(self) -> mmap.mmap:
        os.ftruncate(self._file, _BUCKETS * _BUCKET)
        return mmap.mmap(self._file, _BUCKETS * _BUCKET)
