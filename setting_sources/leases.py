"""Credentials of a database that OpenBao or Vault makes for us (its database secrets engine): good for as long as their lease is renewed.

Each process asks for its own when it first connects. Where a lease cannot be renewed any more, others take their place: new connections
use them, idle ones of before are closed, those in use end with what they do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from setting_sources.fields import SourceSettings
from setting_sources.pools import retire
from setting_sources.servers import Place, ServerError

_EARLY = 0.5
"""The part of its life after which a lease is renewed: the other part is left for a server that is away."""
log = logging.getLogger("setting_sources")


@dataclass(frozen=True, slots=True)
class Lease:
    """One user of the database; `seconds` is what the lease was first given for, `ends` a time of the keeper's clock."""

    identifier: str
    username: str
    password: str
    seconds: float
    renewable: bool
    ends: float


class LeasedCredentials:
    """Who the engines connect as that are attached to it. Used by many threads; `keep` is called every second by one."""

    def __init__(self, url: str, token: str | None, ca_file: Path | None, *, now: Callable[[], float] = time.monotonic):
        self._place = Place.of(url)
        self._token = token
        self._ca_file = ca_file
        self._now = now
        self._lock = Lock()
        self._lease: Lease | None = None
        self._engines: list[sa.Engine] = []

    @classmethod
    def of(cls, settings: SourceSettings) -> LeasedCredentials:
        """As these settings say."""
        token = settings.config_token.get_secret_value() if settings.config_token else None
        return cls(str(settings.database_lease_url), token, settings.config_ca_file)

    def attach(self, engine: sa.Engine) -> None:
        """Let this engine connect with what is leased."""
        self._engines.append(engine)
        sa.event.listen(engine, "do_connect", self._connect)

    def keep(self) -> None:
        """Renew what is half over, or get others in its place; a server that is away is asked again next time. Raises nothing."""
        with self._lock:
            lease = self._lease
        if lease is None or self._now() < lease.ends - lease.seconds * _EARLY:
            return
        try:
            kept = self._renewed(lease) or self._asked()
        except ServerError as error:
            log.warning("the credentials of the database are not renewed (%s)", error)
            return
        with self._lock:
            self._lease = kept
        if kept.username != lease.username:
            log.info("other credentials of the database")
            for engine in self._engines:
                retire(engine)

    def give_back(self) -> None:
        """They are needed no more; where the server is away the lease runs out."""
        with self._lock:
            lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._change("revoke", {"lease_id": lease.identifier})
            except ServerError as error:
                log.info("the lease of the database is left to run out (%s)", error)

    def _connect(self, _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        with self._lock:
            if self._lease is None or self._lease.ends < self._now():
                try:
                    self._lease = self._asked()
                except ServerError as error:
                    raise OperationalError("credentials", None, error) from error
            parameters.update(user=self._lease.username, password=self._lease.password)

    def _asked(self) -> Lease:
        """`GET /v1/database/creds/ROLE`: a user of the database that nobody else has."""
        return self._read(self._place.ask("GET", self._place.url.path, self._token, self._ca_file))

    def _renewed(self, lease: Lease) -> Lease | None:
        """The same for longer; None where the server will not have it, or its longest life is near."""
        if not lease.renewable:
            return None
        try:
            answer = self._change("renew", {"lease_id": lease.identifier, "increment": int(lease.seconds)})
            seconds = float(answer["lease_duration"])
        except ServerError as error:
            if error.away:
                raise
            return None
        if seconds < lease.seconds * _EARLY:
            return None
        return Lease(
            lease.identifier, lease.username, lease.password, lease.seconds, lease.renewable, self._now() + seconds
        )

    def _change(self, what: str, body: Mapping[str, Any]) -> Any:
        return self._place.ask("PUT", f"/sys/leases/{what}", self._token, self._ca_file, body)

    def _read(self, answer: Any) -> Lease:
        try:
            data, seconds = answer["data"], float(answer["lease_duration"])
            identifier, renewable = str(answer["lease_id"]), bool(answer["renewable"])
            return Lease(identifier, data["username"], data["password"], seconds, renewable, self._now() + seconds)
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("its answer is no lease", away=False) from error


def fault_of(url: str) -> str | None:
    """What is wrong with the place of a lease."""
    try:
        place = Place.of(url)
    except ValueError:
        place = None
    return None if place and place.kind == "vault" else "must be vault+https://HOST/MOUNT/creds/ROLE"
