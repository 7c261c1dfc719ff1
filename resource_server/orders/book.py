"""The book of orders: each change is a compare-and-set on the version, and each step appends its transition in the same transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from resource_server.orders import machine
from resource_server.orders.machine import Status
from resource_server.orders.models import Order, TransitionRow
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row

SERVICE = "service"
"""The actor of steps that nobody asked for: what became of a payment."""


class Changed(Exception):
    """Somebody else changed the order in between; nothing was written."""


class Book:
    """Reads orders and takes them from step to step."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def add(self, tx: sa.Connection, owner: str, client_id: str, content: Mapping[str, Any]) -> Row:
        """A new order, a draft; `content` is what can be amended."""
        now = int(self._now())
        made = {"id": new_id("ord"), "owner": owner, "client_id": client_id, "version": 1}
        made |= {"created_at": now, "updated_at": now}
        inserting = sa.insert(Order).values(**made, **content, status=Status.DRAFT.value)
        order: Row = tx.execute(inserting.returning(*Order.__table__.c)).one()
        self._append(tx, order, None, owner, None)
        return order

    def amend(self, tx: sa.Connection, order: Row, content: Mapping[str, Any]) -> Row:
        """Another content for the order as it was read; raises `Changed`."""
        return self._set(tx, order, content)

    def take(
        self, tx: sa.Connection, order: Row, status: Status, *, actor: str = SERVICE, reason: str | None = None
    ) -> Row:
        """Take one step from `order` as it was read; raises `IllegalStep` and `Changed`."""
        before = Status(order.status)
        machine.check(before, status)
        after = self._set(tx, order, {"status": status.value})
        self._append(tx, after, before, actor, reason)
        return after

    def _set(self, tx: sa.Connection, order: Row, values: Mapping[str, Any]) -> Row:
        same = (Order.id == order.id, Order.version == order.version)
        changing = sa.update(Order).where(*same)
        changing = changing.values(**values, updated_at=int(self._now()), version=Order.version + 1)
        after: Row | None = tx.execute(changing.returning(*Order.__table__.c)).one_or_none()
        if after is None:
            raise Changed(order.id)
        return after

    def _append(self, tx: sa.Connection, order: Row, before: Status | None, actor: str, reason: str | None) -> None:
        row = {
            "order_id": order.id,
            "version": order.version,
            "before": before,
            "after": order.status,
            "reason": reason,
            "actor": actor,
            "created_at": int(self._now()),
        }
        tx.execute(sa.insert(TransitionRow).values(**row))


def find(tx: sa.Connection, order_id: str) -> Row | None:
    """The order as it is."""
    return tx.execute(_FIND, {"id": order_id}).one_or_none()


def hold(tx: sa.Connection, order_id: str) -> None:
    """Let nobody else change the order until the transaction ends; on SQLite whoever writes is alone anyway."""
    tx.execute(sa.select(Order.id).where(Order.id == order_id).with_for_update())


def transitions(tx: sa.Connection, order_id: str) -> list[Row]:
    """Its steps, the first first."""
    query = sa.select(TransitionRow.__table__).where(TransitionRow.order_id == order_id)
    return list(tx.execute(query.order_by(TransitionRow.version)).all())


_FIND = sa.select(Order.__table__).where(Order.id == sa.bindparam("id"))
