"""Settling payments: a pending one becomes paid, once, whatever the number of workers."""

from __future__ import annotations

import sqlalchemy as sa
import structlog

from resource_server.payments.models import Payment
from resource_server.platform.store import Store

_BATCH = 50
log = structlog.get_logger("rs.payments")


class Settlement:
    """`run` settles what waits; a conditional update decides which worker does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self) -> int:
        """Settle a batch; returns how many were settled here."""
        pending = sa.select(Payment.id).where(Payment.status == "pending").order_by(Payment.id).limit(_BATCH)
        with self._store.read() as tx:
            waiting = tx.execute(pending).scalars().all()
        return sum(self._settle(identifier) for identifier in waiting)

    def _settle(self, identifier: str) -> bool:
        mine = (Payment.id == identifier, Payment.status == "pending")
        with self._store.change() as tx:
            settled = tx.execute(sa.update(Payment).where(*mine).values(status="paid", version=Payment.version + 1))
        if settled.rowcount:
            log.info("payment settled", payment=identifier)
        return bool(settled.rowcount)
