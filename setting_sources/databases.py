"""Credentials of a database that change while connections are open: new connections use the new ones, open ones are finished."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.pool import ConnectionPoolEntry


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
            sa.event.listen(
                self._engine.pool, "checkin", _close
            )  # the engine lets go of its pool, not of what comes back to it
            self._engine.dispose()

    def _connect(self, _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        given = {"user": self._url.username, "password": self._url.password}
        parameters.update({name: value for name, value in given.items() if value is not None})


def _close(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.invalidate()
