"""Single use in a table that all nodes share: inserting the key decides, whoever is second meets the unique constraint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from token_guard.once import StoreError

SCHEMA = "CREATE TABLE token_guard_used (id VARCHAR(128) PRIMARY KEY, until BIGINT NOT NULL)"
"""The table, for the app's own migration; an index on `until` makes pruning cheap."""
_PLACEHOLDERS = {"qmark": "?", "numeric": ":{}", "format": "%s", "pyformat": "%s"}
_PRUNE_SECONDS = 60.0


class SqlOnce:
    """Any DB-API 2.0 database (PEP 249). `connect` gives a connection for one use, such as `engine.raw_connection` of SQLAlchemy.

    `paramstyle` is that of the driver's module. Rows whose time is over are removed about once a minute.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        paramstyle: str = "qmark",
        table: str = "token_guard_used",
        now: Callable[[], float] = time.time,
    ) -> None:
        if paramstyle not in _PLACEHOLDERS:
            raise ValueError(f"paramstyle must be one of {', '.join(_PLACEHOLDERS)}")
        if not table.replace("_", "").replace(".", "").isalnum():
            raise ValueError("table must be a plain name")
        first, second = (_PLACEHOLDERS[paramstyle].format(number) for number in (1, 2))
        self._insert = f"INSERT INTO {table} (id, until) VALUES ({first}, {second})"  # noqa: S608 - a name that was checked
        self._prune = f"DELETE FROM {table} WHERE until < {first}"  # noqa: S608 - the same
        self._connect = connect
        self._now = now
        self._pruned_at = now()

    def use(self, key: str, until: float) -> bool:
        try:
            with contextlib.closing(self._connect()) as connection:
                first = _inserted(connection, self._insert, (key, int(until) + 1))
                self._prune_sometimes(connection)
                return first
        except Exception as error:  # each driver has exceptions of its own, and so has a pool
            raise StoreError(f"the database does not answer ({type(error).__name__})") from error

    def _prune_sometimes(self, connection: Any) -> None:
        now = self._now()
        if now - self._pruned_at >= _PRUNE_SECONDS:
            self._pruned_at = now
            connection.cursor().execute(self._prune, (int(now),))
            connection.commit()


def _inserted(connection: Any, statement: str, values: tuple[str, int]) -> bool:
    try:
        connection.cursor().execute(statement, values)
        connection.commit()
    except Exception as error:
        if not any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__):  # PEP 249's name for it
            raise
        connection.rollback()
        return False
    return True
