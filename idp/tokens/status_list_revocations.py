"""What a revocation does to the lists: in its transaction it marks the indexes of every token it ends, and tells the receivers.

It locks a row that all revocations share, so it comes before the entry of the audit trail, whose lock is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import insert_each_or_ignore
from idp.platform.generations import bump
from idp.tokens.models import GrantRow, RevokedIndexRow, StatusBlockRow, StatusEntryRow, StatusShardRow
from idp.tokens.status_list import PATH
from idp.tokens.status_list_indexes import GENERATION
from idp.tokens.values import AccessToken

CHANGED, KEY_REVOKED = "status.changed", "status.key_revoked"
MOST_TOLD = 256
_TARGET: sa.BindParameter[str] = sa.bindparam("revoked")
_NOW: sa.BindParameter[int] = sa.bindparam("now")
_GRANTS = sa.select(GrantRow.id)


def _hanging_on(kind: str, target: Any) -> sa.ColumnElement[bool]:
    return sa.and_(StatusEntryRow.kind == kind, StatusEntryRow.target.in_(target))


_ALREADY = sa.exists().where(RevokedIndexRow.shard == StatusEntryRow.shard, RevokedIndexRow.idx == StatusEntryRow.idx)
_ENTRIES: Mapping[str, sa.Select[str, int]] = {
    kind: sa.select(StatusEntryRow.shard, StatusEntryRow.idx)
    .where(sa.or_(*conditions), StatusEntryRow.expires_at > _NOW, ~_ALREADY)
    .distinct()
    for kind, conditions in {
        "token": [_hanging_on("token", [_TARGET])],
        "grant": [_hanging_on("grant", [_TARGET])],
        "session": [_hanging_on("grant", _GRANTS.where(GrantRow.sid == _TARGET))],
        "subject": [_hanging_on("grant", _GRANTS.where(GrantRow.sub == _TARGET))],
        "client": [
            _hanging_on("client", [_TARGET]),
            _hanging_on("grant", _GRANTS.where(GrantRow.client_id == _TARGET)),
        ],
    }.items()
}
"""By kind of revocation: the indexes of the living tokens that hang on its target."""
_LIVING_BLOCKS = (
    sa.select(StatusBlockRow.shard)
    .join(StatusShardRow, StatusShardRow.name == StatusBlockRow.shard)
    .where(StatusBlockRow.client_id == _TARGET, StatusBlockRow.revoked_in.is_(None), StatusShardRow.expires_at > _NOW)
    .distinct()
)
_REVOKE_BLOCKS = (
    sa.update(StatusBlockRow)
    .where(StatusBlockRow.client_id == sa.bindparam("owner"), StatusBlockRow.revoked_in.is_(None))
    .values(revoked_in=sa.bindparam("generation"))
)
_IS_REVOKED = sa.select(sa.literal(1)).where(
    RevokedIndexRow.shard == sa.bindparam("shard"), RevokedIndexRow.idx == sa.bindparam("idx")
)
Publish = Callable[[sa.Connection, str, str, Mapping[str, Any]], None]
"""(transaction, type, subject, payload): adds an event for the receivers."""
_Place = tuple[str, int]


class StatusRevocations:
    """Listens to the revocations. `url` is the issuer, whose lists these are."""

    def __init__(self, clock: Clock, publish: Publish, url: str) -> None:
        self._clock = clock
        self._publish = publish
        self._lists = f"{url}{PATH}/"

    def __call__(self, tx: sa.Connection, kind: str, target: str, token: AccessToken | None) -> None:
        """A revocation was written: of everything that hangs on `target`, and of this very token where it is given."""
        if kind == "key":
            self._publish(tx, KEY_REVOKED, target, {"kid": target})
            return
        named = {"revoked": target, "now": self._clock.now()}
        places = {(shard, index) for shard, index in tx.execute(_ENTRIES[kind], named)} | set(self._own(tx, token))
        blocks = frozenset(tx.execute(_LIVING_BLOCKS, named).scalars()) if kind == "client" else frozenset()
        if places or blocks:
            self._mark(tx, places, blocks, target)

    def _own(self, tx: sa.Connection, token: AccessToken | None) -> Iterator[_Place]:
        """Where a token itself stands, unless it is revoked already; one from before there were lists stands nowhere."""
        status = token.claims.get("status") if token else None
        if status is None:
            return
        shard, index = status["status_list"]["uri"].removeprefix(self._lists), status["status_list"]["idx"]
        if tx.execute(_IS_REVOKED, {"shard": shard, "idx": index}).scalar() is None:
            yield shard, index

    def _mark(self, tx: sa.Connection, places: Collection[_Place], blocks: Collection[str], owner: str) -> None:
        generation = bump(tx, GENERATION)
        rows = [{"shard": shard, "idx": index, "revoked_in": generation} for shard, index in sorted(places)]
        insert_each_or_ignore(tx, RevokedIndexRow, rows)
        if blocks:
            tx.execute(_REVOKE_BLOCKS, {"owner": owner, "generation": generation})
        for shard in sorted({*blocks, *(shard for shard, _ in places)}):
            indexes = sorted(index for one, index in places if one == shard)
            self._tell(tx, f"{self._lists}{shard}", None if shard in blocks else indexes)

    def _tell(self, tx: sa.Connection, uri: str, indexes: list[int] | None) -> None:
        """Which indexes are revoked now or, where they are many, only that the list has changed."""
        few = indexes is not None and len(indexes) <= MOST_TOLD
        self._publish(tx, CHANGED, uri, {"uri": uri, "idx": indexes} if few else {"uri": uri})
