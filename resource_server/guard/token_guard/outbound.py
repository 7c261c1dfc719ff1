"""What may be asked of others: which URLs, how long and how much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one HTTP exchange; seconds and bytes. `ca_file`: PEM certificates to trust instead of the system's."""

    connect_timeout: float = 2
    total_timeout: float = 3
    max_bytes: int = 256 * 1024
    ca_file: Path | None = None


def check_url(url: str) -> str:
    """The URL, when keys may be fetched from it: https, or http on loopback; raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("must be https; http is accepted on loopback only")
    if not parts.hostname:
        raise ValueError("must name a host")
    return url
