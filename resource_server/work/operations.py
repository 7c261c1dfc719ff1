"""Operations: what a caller follows after a 202, written with the work it stands for and ended with its effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from resource_server.platform.ids import new_id
from resource_server.platform.store import Row, Store
from resource_server.work.tables import OperationColumns

RUNNING, AWAITING_APPROVAL, SUCCEEDED, FAILED = "running", "awaiting_approval", "succeeded", "failed"
OVER = frozenset({SUCCEEDED, FAILED})


class Operations:
    """The operations of one service. Ids say whose they are, so that several services answer under one path."""

    def __init__(
        self, store: Store, table: type[OperationColumns], *, prefix: str, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._table: Any = table
        self._prefix = prefix
        self._now = now

    def new_id(self) -> str:
        return new_id(self._prefix)

    def begin(
        self,
        tx: sa.Connection,
        identifier: str,
        *,
        kind: str,
        resource: str,
        owner: str,
        client_id: str,
        state: str = RUNNING,
    ) -> None:
        """Add one in the transaction that asks for its work; `resource` is the path of what it makes or changes."""
        values = {
            "id": identifier,
            "kind": kind,
            "state": state,
            "resource": resource,
            "owner": owner,
            "client_id": client_id,
            "created_at": self._now(),
        }
        tx.execute(sa.insert(self._table).values(**values))

    def resume(self, tx: sa.Connection, identifier: str) -> bool:
        """From waiting for somebody to running; False when that was done before."""
        waiting = (self._table.id == identifier, self._table.state == AWAITING_APPROVAL)
        return tx.execute(sa.update(self._table).where(*waiting).values(state=RUNNING)).rowcount == 1

    def end(self, tx: sa.Connection, identifier: str, error: Mapping[str, Any] | None = None) -> None:
        """End one with its effect; what is over stays as it is."""
        values = {"state": FAILED if error else SUCCEEDED, "error": error, "finished_at": self._now()}
        open_ = (self._table.id == identifier, self._table.state.not_in(OVER))
        tx.execute(sa.update(self._table).where(*open_).values(**values))

    def find(self, identifier: str) -> Row | None:
        with self._store.read() as tx:
            found: Row | None = tx.execute(
                sa.select(self._table.__table__).where(self._table.id == identifier)
            ).one_or_none()
        return found
