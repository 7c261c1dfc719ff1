"""Secrets in files: read whole, and refused when everybody may read them."""

from __future__ import annotations

import stat
from pathlib import Path


def open_to_everybody(path: Path) -> bool:
    """Whether any user of the machine may read it."""
    return bool(stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH)


def read_secret(path: Path, name: str, faults: list[str]) -> str | None:
    """The text of the file, without what surrounds it; what is wrong goes to `faults`, under `name`."""
    try:
        if open_to_everybody(path):
            faults.append(f"{name}: {path} is readable by everybody; chmod 600")
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        faults.append(f"{name}: {path} cannot be read")
        return None
