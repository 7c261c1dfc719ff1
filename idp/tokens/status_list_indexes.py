"""An index for every token, given to nobody else: leased in blocks, handed out without touching the database.

Whoever cannot lease issues nothing: a token without an index could not be revoked. A block is good for an hour and for one client's own
tokens, so disabling the client revokes its blocks; tokens that hang on something else share blocks, and an entry says on what.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Unavailable
from idp.platform.db import AnyRow, Database, Model, insert_or_ignore
from idp.platform.generations import current
from idp.tokens.models import RevokedIndexRow, StatusBlockRow, StatusEntryRow, StatusShardRow
from idp.tokens.status_list import LONGEST_LIFE, PATH, SIZE, StatusClaim, reference, scattered

GENERATION = "status"
HOUR = 3600
MARGIN = 60
BLOCK, LARGEST_BLOCK = 256, 16_384
_BUSY_SECONDS = 10
_MOST_LEASES = 10_000
_PATIENCE_SECONDS = 5
_OPEN = sa.select(sa.func.min(StatusShardRow.name)).where(
    StatusShardRow.hour == sa.bindparam("this_hour"), StatusShardRow.used <= SIZE - sa.bindparam("wanted")
)
_CLAIM = (
    sa.update(StatusShardRow)
    .where(StatusShardRow.name == _OPEN.scalar_subquery(), StatusShardRow.used <= SIZE - sa.bindparam("wanted"))
    .values(used=StatusShardRow.used + sa.bindparam("wanted"))
    .returning(StatusShardRow.name, StatusShardRow.used, StatusShardRow.stride, StatusShardRow.shift)
)
_COUNT = sa.select(sa.func.count()).where(StatusShardRow.hour == sa.bindparam("this_hour"))
_INSERT_BLOCK = sa.insert(StatusBlockRow)
_INSERT_ENTRY = sa.insert(StatusEntryRow)
_REVOKED_OWNERS = sa.select(StatusBlockRow.client_id).where(StatusBlockRow.revoked_in > sa.bindparam("seen")).distinct()
_PLACED = (StatusBlockRow, RevokedIndexRow)
Admit = Callable[[sa.Connection, str], None]
"""Raises when a client may have no tokens; if it may, nobody changes that before the transaction ends."""


@dataclass(slots=True)
class _Lease:
    """Positions of one shard that are this process's alone, good until `until` (epoch seconds)."""

    uri: str
    shard: str
    stride: int
    shift: int
    positions: Iterator[int]
    size: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """An index for one token that hangs on something: `attach` it in the transaction that decides to issue the token."""

    shard: str
    index: int
    uri: str
    expires_at: int

    def attach(self, tx: sa.Connection, *things: tuple[str, str]) -> StatusClaim:
        """Write what the token hangs on, as (kind, target) of the revocations; the claim that the token must carry."""
        place = {"shard": self.shard, "idx": self.index, "expires_at": self.expires_at}
        tx.execute(_INSERT_ENTRY, [{"kind": kind, "target": target, **place} for kind, target in things])
        return reference(self.index, self.uri)


class StatusIndexes:
    """Leases blocks for this process. `url` is the issuer, whose lists these are."""

    def __init__(self, database: Database, clock: Clock, url: str, admit: Admit) -> None:
        self._database = database
        self._clock = clock
        self._url = url
        self._admit = admit
        self._seen = 0
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)  # a child must not hand out what its parent leased

    def _start_anew(self) -> None:
        self._leasing, self._handing_out = Lock(), Lock()
        self._leases: OrderedDict[str | None, _Lease] = OrderedDict()

    def of_client(self, client_id: str) -> StatusClaim:
        """An index for a client's own token. Raises `Unavailable`, or what refuses a client that was disabled just now."""
        lease, position = self._take(client_id)
        return reference(scattered(position, lease.stride, lease.shift), lease.uri)

    def reserve(self) -> Reservation:
        """An index for a token that hangs on something; never within a transaction, since it may need one. Raises `Unavailable`."""
        lease, position = self._take(None)
        index = scattered(position, lease.stride, lease.shift)
        return Reservation(lease.shard, index, lease.uri, self._clock.now() + LONGEST_LIFE + MARGIN)

    def follow(self) -> None:
        """Drop the blocks that were revoked: what a client gets when it is enabled again must be alive."""
        with self._database.read() as tx:
            generation = current(tx, GENERATION)
            owners = tx.execute(_REVOKED_OWNERS, {"seen": self._seen}).scalars().all()
        for owner in owners:
            self._leases.pop(owner, None)
        self._seen = generation

    def _take(self, owner: str | None) -> tuple[_Lease, int]:
        now, lease = self._clock.now(), self._leases.get(owner)
        if lease is not None and now < lease.until:
            with self._handing_out:
                position = next(lease.positions, None)
            if position is not None:
                return lease, position
        return self._renewed(owner, lease, now)

    def _renewed(self, owner: str | None, spent: _Lease | None, now: int) -> tuple[_Lease, int]:
        """Lease, one thread at a time: whoever waited finds what the one before got."""
        if not self._leasing.acquire(timeout=_PATIENCE_SECONDS):
            raise Unavailable("status indexes: leases queue up")
        try:
            lease = self._leases.get(owner)
            if lease is None or lease is spent:
                lease = self._lease(owner, _wanted(spent, now), now)
                self._keep(owner, lease)
        finally:
            self._leasing.release()
        with self._handing_out:
            position = next(lease.positions, None)
        return self._renewed(owner, lease, now) if position is None else (lease, position)

    def _keep(self, owner: str | None, lease: _Lease) -> None:
        self._leases.pop(owner, None)
        self._leases[owner] = lease
        if len(self._leases) > _MOST_LEASES:
            self._leases.popitem(last=False)

    def _lease(self, owner: str | None, size: int, now: int) -> _Lease:
        with self._database.write() as tx:
            if owner is not None:
                self._admit(tx, owner)
            shard = _claimed(tx, now // HOUR, size)
            first = shard.used - size
            if owner is not None:
                tx.execute(_INSERT_BLOCK, {"shard": shard.name, "first": first, "size": size, "client_id": owner})
        return _Lease(
            uri=f"{self._url}{PATH}/{shard.name}",
            shard=shard.name,
            stride=shard.stride,
            shift=shard.shift,
            positions=iter(range(first, shard.used)),
            size=size,
            since=now,
            until=now + HOUR,
        )


def _wanted(spent: _Lease | None, now: int) -> int:
    """Twice as many as last time for whoever used those up in no time, so that a busy client seldom waits for the database."""
    if spent is None or now - spent.since > _BUSY_SECONDS:
        return BLOCK
    return min(2 * spent.size, LARGEST_BLOCK)


def _claimed(tx: sa.Connection, hour: int, size: int) -> AnyRow:
    """The shard of this hour whose last `size` used positions are ours now; a new one when the others are full."""
    wanted = {"this_hour": hour, "wanted": size}
    while (shard := tx.execute(_CLAIM, wanted).one_or_none()) is None:
        values = {
            "name": f"{hour}-{tx.execute(_COUNT, {'this_hour': hour}).scalar_one()}",
            "hour": hour,
            "used": 0,
            "stride": secrets.randbelow(SIZE // 2) * 2 + 1,
            "shift": secrets.randbelow(SIZE),
            "expires_at": (hour + 2) * HOUR + LONGEST_LIFE + MARGIN,
        }
        insert_or_ignore(tx, StatusShardRow, values)
    return shard


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove shards that no living token points into, and all that belongs to them; returns how many rows."""
    over = sa.select(StatusShardRow.name).where(StatusShardRow.expires_at <= now)
    emptied = over.where(*(~sa.exists().where(table.shard == StatusShardRow.name) for table in _PLACED))
    removed = sum(_remove(tx, table, table.shard.in_(over), limit) for table in _PLACED)
    removed += _remove(tx, StatusEntryRow, StatusEntryRow.expires_at <= now, limit)
    return removed + _remove(tx, StatusShardRow, StatusShardRow.name.in_(emptied), limit)


def _remove(tx: sa.Connection, table: type[Model], condition: sa.ColumnElement[bool], limit: int) -> int:
    key = sa.tuple_(*sa.inspect(table).primary_key)
    some = sa.select(*sa.inspect(table).primary_key).where(condition).limit(limit)
    return tx.execute(sa.delete(table).where(key.in_(some))).rowcount
