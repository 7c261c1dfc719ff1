"""Whom to trust and how far: per issuer its audience, algorithms and limits, and the policy for its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519", "EdDSA")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class JwksPolicy:
    """How an issuer's keys are fetched and kept; durations in seconds, sizes in bytes."""

    min_fresh: float = 60
    max_fresh: float = 3600
    default_fresh: float = 300
    refresh_ahead: float = 0.8
    miss_interval: float = 30
    negative_ttl: float = 10
    negative_size: int = 256
    stale_for: float = 24 * 3600
    connect_timeout: float = 2
    total_timeout: float = 3
    max_bytes: int = 256 * 1024
    max_keys: int = 32
    retry_interval: float = 1
    snapshot: Path | None = None


@dataclass(frozen=True, slots=True)
class IssuerTrust:
    """One issuer: which tokens of it are for us. `skew` and `max_lifetime` in seconds."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ALGORITHMS
    jwks_uri: str | None = None
    skew: int = 10
    max_lifetime: int = 24 * 3600
    policy: JwksPolicy = field(default_factory=JwksPolicy)

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise ValueError("issuer and audience must be set")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise ValueError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
        for url in filter(None, (self.issuer, self.jwks_uri)):
            check_url(url)


def check_url(url: str) -> str:
    """The URL, when keys may be fetched from it: https, or http on loopback; raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("must be https; http is accepted on loopback only")
    return url


def metadata_url(issuer: str) -> str:
    """Where the issuer's RFC 8414 metadata stands: the well-known part goes between host and path (§3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
