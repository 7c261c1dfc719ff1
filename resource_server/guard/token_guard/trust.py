"""Whom to trust and how far: per issuer its audiences, algorithms, claim names and limits, and the policy for its keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from token_guard.algorithms import DEFAULT_ALGORITHMS, check_algorithms
from token_guard.introspection import Introspection
from token_guard.outbound import Limits, check_url

ACCESS_TOKEN_TYPES = frozenset({"at+jwt"})
ClaimPath = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JwksPolicy:
    """How an issuer's keys are fetched and kept; durations in seconds, sizes in bytes.

    An answer is fresh for its max-age within `min_fresh` and `max_fresh`, else `default_fresh`; at `refresh_ahead` of that it is fetched
    anew in the background. An unknown `kid` or a bad signature fetches at most each `miss_interval`; `negative_size` unknown kids are
    remembered for `negative_ttl`. After a failure the next try waits `retry_interval`; the last good keys serve for `stale_for`.
    Keys older than `max_age` are fetched before anything is judged by them, unless that just failed: a key that the issuer revokes in an
    emergency is refused within that time, by an API that nobody told and nobody called.
    """

    min_fresh: float = 60
    max_fresh: float = 3600
    max_age: float = math.inf
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
    ca_file: Path | None = None
    snapshot: Path | None = None

    @property
    def limits(self) -> Limits:
        """The bounds of each fetch."""
        return Limits(self.connect_timeout, self.total_timeout, self.max_bytes, self.ca_file)


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Where an issuer keeps what RFC 9068 names otherwise: a claim, or the path into nested ones (`("realm_access", "roles")`)."""

    subject: ClaimPath = "sub"
    client_id: ClaimPath = "client_id"
    token_id: ClaimPath = "jti"  # noqa: S105 - a claim's name
    scope: ClaimPath = "scope"
    roles: ClaimPath = "roles"


@dataclass(frozen=True, slots=True)
class IssuerTrust:
    """One issuer: which tokens of it are for us. `skew` and `max_lifetime` in seconds.

    `audience` is our identifier there, or several. A token for one of `delegated_audiences` is accepted only from services that call for
    themselves or act for somebody (`act`). `jwks` are keys at hand: nothing is fetched then, and the issuer may be any text, such as a
    service that signs its messages. `types` are the accepted values of `typ`, in lower case and without `application/`. `claims` says how
    this issuer names them. `status_uris` are the beginnings of the URLs of its status lists, by default everything under the issuer; with
    `status_required` a token without a place in one is refused. `introspection` is where to ask about tokens.
    """

    issuer: str
    audience: str | tuple[str, ...]
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    jwks_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    types: frozenset[str] = ACCESS_TOKEN_TYPES
    claims: ClaimMap = field(default_factory=ClaimMap)
    delegated_audiences: tuple[str, ...] = ()
    status_uris: tuple[str, ...] = ()
    status_required: bool = False
    skew: int = 10
    max_lifetime: int = 24 * 3600
    introspection: Introspection | None = None
    policy: JwksPolicy = field(default_factory=JwksPolicy)
    audiences: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        audiences = (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)
        if not self.issuer or not audiences or not all((*audiences, *self.delegated_audiences)):
            raise ValueError("issuer and audience must be set")
        if not self.types or not all(self.types):
            raise ValueError("types must name what access tokens say in typ")
        check_algorithms(self.algorithms)
        if self.jwks is None:
            for url in filter(None, (self.issuer, self.jwks_uri)):
                check_url(url)
        object.__setattr__(self, "audiences", frozenset(audiences))
        object.__setattr__(self, "status_uris", self.status_uris or (f"{self.issuer.rstrip('/')}/",))


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata stands: between host and path by RFC 8414 §3.1, behind the path by OpenID Discovery §4."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
        f"{parts.scheme}://{parts.netloc}{path}/.well-known/openid-configuration",
    )
