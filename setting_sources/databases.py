"""Credentials of a database that change while connections are open: new connections use the new ones, open ones are finished."""

from __future__ import annotations

from typing import Any, Protocol

import sqlalchemy as sa
from pydantic import SecretStr

from setting_sources.fields import SourceSettings
from setting_sources.pools import retire


class Leased(Protocol):
    """Credentials that somebody keeps for us."""

    def attach(self, engine: sa.Engine) -> None:
        """Let this engine connect with them."""

    def keep(self) -> None:
        """Called every second; raises nothing."""

    def give_back(self) -> None:
        """They are needed no more."""


def leased(settings: SourceSettings) -> Leased | None:
    """What the settings say of it; None where the URL of the database has its own user and password."""
    if settings.database_lease_url is None:
        return None
    from setting_sources.leases import LeasedCredentials  # noqa: PLC0415 - HTTP and TLS, for who has such a server

    return LeasedCredentials.of(settings)


def credentials_only(old: SecretStr | None, new: SecretStr | None) -> bool:
    """Whether the URLs differ in user and password alone: another database is no matter of a reload."""
    if old is None or new is None:
        return False
    before, after = (sa.make_url(url.get_secret_value()).set(username="", password="") for url in (old, new))
    return before == after


class Credentials:
    """Who an engine connects as. Attached only where they may change: an engine with listeners asks them at every statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._url = engine.url
        sa.event.listen(engine, "do_connect", self._connect)

    def change(self, url: str) -> None:
        """Connect as these from now on. Idle connections are closed; those in use end with what they do."""
        new = sa.make_url(url)
        if (new.username, new.password) != (self._url.username, self._url.password):
            self._url = new
            retire(self._engine)

    def _connect(self, _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        given = {"user": self._url.username, "password": self._url.password}
        parameters.update({name: value for name, value in given.items() if value is not None})
