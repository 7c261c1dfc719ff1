"""Revocations reach every process of a service: whichever is told keeps them in the service's store, where each of the others looks once a second.

The status list and the keys that the issuer publishes say the same a little later, so nothing is kept for longer than they take.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from token_guard import Guard, JwksPolicy, StatusPolicy
from token_guard.events import KeyRevoked, status_events

from resource_server.platform.store import Store, insert_or_ignore
from resource_server.platform.tables import RevocationColumns, RevocationCountColumns

_KEYS = JwksPolicy()
KEEP_LIST = StatusPolicy().max_ttl
"""Seconds: no list is relied on for longer, so by then each process has one from after the event; and tokens of the provider live shorter."""
KEEP_KEY = _KEYS.max_fresh + _KEYS.stale_for
"""Seconds: no keys serve for longer, not even those on disk, with which a process starts while the issuer is away."""
_CLOCKS = 10.0
"""Seconds by which clocks of nodes may differ: a key is refused for so much longer until what is published has the last word."""


class Revocations:
    """What one service was told, in a table of its own; `guard` is that of this process, which heeds it."""

    def __init__(
        self,
        store: Store,
        table: type[RevocationColumns],
        count: type[RevocationCountColumns],
        guard: Guard,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._table: Any = table
        self._guard = guard
        self._now = now
        self._seen = -1
        self._newest = sa.select(count.number)
        self._raise = sa.update(count).values(number=count.number + 1).returning(count.number)
        self._after = (
            sa.select(self._table.claims, self._table.told_at)
            .where(self._table.number > sa.bindparam("seen"), self._table.number <= sa.bindparam("newest"))
            .order_by(self._table.number)
        )

    @property
    def known(self) -> bool:
        """Whether this process has seen what was told before it started."""
        return self._seen >= 0

    def keep(self, claims: Mapping[str, Any]) -> None:
        """Keep what an event says of revocations, if anything, for all processes; once this returns it is not lost."""
        told = {name: event for name, event in claims["events"].items() if _of_status(name, event)}
        if not told:
            return
        digest = hashlib.sha256(json.dumps([claims.get("jti"), told], sort_keys=True).encode()).hexdigest()
        row = {"digest": digest, "claims": {"iss": claims["iss"], "events": told}, **self._times(told)}
        with self._store.change() as tx:
            number = tx.execute(self._raise).scalar_one()
            insert_or_ignore(tx, self._table, {"number": number, **row})

    def follow(self) -> None:
        """Heed what was told since the last time, or ever."""
        with self._store.read() as tx:
            newest = tx.execute(self._newest).scalar_one()
            if newest == self._seen:
                return
            seen = self._seen if newest > self._seen else -1  # it was set back to an earlier state
            rows = tx.execute(self._after, {"seen": seen, "newest": newest}).all()
        for row in rows:
            self._guard.heed(row.claims, row.told_at + _CLOCKS)
        self._seen = newest

    def prune(self) -> None:
        """Forget what lists and keys tell by now."""
        with self._store.change() as tx:
            tx.execute(sa.delete(self._table).where(self._table.until < self._now()))

    def _times(self, told: Mapping[str, Any]) -> dict[str, float]:
        now = self._now()
        of_key = any(isinstance(event, KeyRevoked) for event in status_events({"events": told}))
        return {"told_at": now, "until": now + (KEEP_KEY if of_key else KEEP_LIST)}


def _of_status(name: str, event: Any) -> bool:
    return any(status_events({"events": {name: event}}))
