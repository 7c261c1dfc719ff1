"""Files that are nobody else's."""

from __future__ import annotations

import os
from pathlib import Path


def put_file(folder: Path, name: str, raw: bytes) -> None:
    """Write a file that others cannot read, and that nobody sees half written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = folder / f".{name}.{os.getpid()}"
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
    written.replace(folder / name)
