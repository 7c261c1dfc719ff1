"""The lists as they are served: signed, and built once a change; every process keeps them as bytes (draft-ietf-oauth-status-list-21 §5.1).

Every request looks whether something was revoked since: what was committed before it stands in the list it gets, on whichever node.
All nodes date a list by the same clock stroke, so whoever is served by one after the other never sees it grow older.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Lock

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import AnyRow, Database
from idp.platform.models import GenerationRow
from idp.tokens.jose import Signer
from idp.tokens.keyring import Keyring
from idp.tokens.models import RevokedIndexRow, StatusBlockRow, StatusShardRow
from idp.tokens.status_list import PATH, SIZE, StatusArray, scattered
from idp.tokens.status_list_indexes import GENERATION

TYPE = "statuslist+jwt"
_ALG = "ES256"
_STROKE, _LIFE = 4, 20
"""A list is signed anew, at the latest, at every fourth multiple of its `ttl`, and expires after twenty."""
_MOST_KEPT = 64
_GENERATION = sa.select(GenerationRow.value).where(GenerationRow.name == GENERATION).scalar_subquery()
_LIVING = (
    sa.select(StatusShardRow.name, StatusShardRow.stride, StatusShardRow.shift, _GENERATION.label("generation"))
    .where(StatusShardRow.expires_at > sa.bindparam("now"))
    .order_by(StatusShardRow.name)
)
_FIND = _LIVING.where(StatusShardRow.name == sa.bindparam("shard"))
_SINCE: sa.BindParameter[int] = sa.bindparam("since")
_INDEXES = sa.select(RevokedIndexRow.idx).where(
    RevokedIndexRow.shard == sa.bindparam("shard"), RevokedIndexRow.revoked_in > _SINCE
)
_BLOCKS = sa.select(StatusBlockRow.first, StatusBlockRow.size).where(
    StatusBlockRow.shard == sa.bindparam("shard"), StatusBlockRow.revoked_in > _SINCE
)


@dataclass(frozen=True, slots=True)
class StatusListToken:
    """A list as it is served: a signed JWT, and an ETag that is weak since each node signs for itself (RFC 9110 §8.8.1)."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Built:
    """A list as of a generation, and of which time and by which key it is signed."""

    array: StatusArray
    generation: int
    kid: str
    issued_at: int
    token: StatusListToken


class StatusListTokens:
    """Serves the lists of one issuer, whose URL is `url`. `ttl`, in seconds, is how long who checks tokens may rely on a copy."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock, *, url: str, ttl: int) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._url = url
        self._ttl = ttl
        self._keeping = Lock()
        self._kept: OrderedDict[str, _Built] = OrderedDict()

    def find(self, shard: str) -> StatusListToken | None:
        """The list of a shard as it is now; None when there is none, or none any more."""
        with self._database.read() as tx:
            row = tx.execute(_FIND, {"shard": shard, "now": self._clock.now()}).one_or_none()
            if row is None:
                return None
            built = self._current(tx, row, self._kept.get(shard))
        self._keep(shard, built)
        return built.token

    def uris(self) -> list[str]:
        """Every list that a living token can point into (§9.3)."""
        with self._database.read() as tx:
            return [self._uri(row.name) for row in tx.execute(_LIVING, {"now": self._clock.now()})]

    def _current(self, tx: sa.Connection, row: AnyRow, built: _Built | None) -> _Built:
        generation, now = row.generation or 0, self._clock.now()
        issued_at, signer = now - now % (_STROKE * self._ttl), self._keyring.signer(_ALG)
        array, since = (built.array, built.generation) if built else (StatusArray.sized(SIZE), -1)
        if since != generation:
            array = _marked(tx, row, array, since)
        if built and array is built.array and (built.kid, built.issued_at) == (signer.kid, issued_at):
            return replace(built, generation=generation)
        return _Built(array, generation, signer.kid, issued_at, self._signed(row.name, array, issued_at, signer))

    def _signed(self, shard: str, array: StatusArray, issued_at: int, signer: Signer) -> StatusListToken:
        claims = {
            "iss": self._url,
            "sub": self._uri(shard),
            "iat": issued_at,
            "exp": issued_at + _LIFE * self._ttl,
            "ttl": self._ttl,
            "status_list": {"bits": 1, "lst": array.encoded()},
        }
        said = json.dumps([signer.kid, claims]).encode()
        body = signer.compose(TYPE, claims).encode("ascii")
        return StatusListToken(body, f'W/"{hashlib.sha256(said).hexdigest()[:32]}"')

    def _keep(self, shard: str, built: _Built) -> None:
        with self._keeping:
            self._kept[shard] = built
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)

    def _uri(self, shard: str) -> str:
        return f"{self._url}{PATH}/{shard}"


def _marked(tx: sa.Connection, row: AnyRow, array: StatusArray, since: int) -> StatusArray:
    """The array with what was revoked after that generation; the very same one when nothing was."""
    indexes = list(_revoked(tx, row, since))
    return array.invalidated(indexes) if indexes else array


def _revoked(tx: sa.Connection, row: AnyRow, since: int) -> Iterator[int]:
    after = {"shard": row.name, "since": since}
    yield from tx.execute(_INDEXES, after).scalars()
    for first, size in tx.execute(_BLOCKS, after):
        yield from (scattered(position, row.stride, row.shift) for position in range(first, first + size))
