"""The keys of endpoints: sealed at rest, shown once, two of them while they change."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import sqlalchemy as sa

from resource_server.payments.models import EndpointSecret
from resource_server.platform.ids import new_id
from resource_server.platform.secret import Secret, Unsealable
from resource_server.platform.signatures import SigningKey
from resource_server.platform.store import Row, Store

OVERLAP_SECONDS = 86400.0
"""How long a replaced key goes on signing beside its successor."""
_PURPOSE = "webhook key"


class Keys:
    """Makes, finds and replaces keys within the caller's transaction."""

    def __init__(self, secret: Secret, *, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now

    def make(self, tx: sa.Connection, endpoint: str, scheme: str) -> SigningKey:
        """A new key; those before it sign for one more day."""
        now, key, identifier = self._now(), SigningKey.new(scheme), new_id("whk")
        earlier = (EndpointSecret.endpoint_id == endpoint, EndpointSecret.until.is_(None))
        tx.execute(sa.update(EndpointSecret).where(*earlier).values(until=now + OVERLAP_SECONDS))
        tx.execute(sa.delete(EndpointSecret).where(EndpointSecret.endpoint_id == endpoint, EndpointSecret.until <= now))
        values = {
            "id": identifier,
            "endpoint_id": endpoint,
            "scheme": scheme,
            "sealed": self._secret.seal(_PURPOSE, key.text.encode(), bound_to=identifier),
            "created_at": now,
        }
        tx.execute(sa.insert(EndpointSecret).values(**values))
        return key

    def renew_seals(self, store: Store) -> None:
        """Seal every key with the secret we have now, so that the one before it may be forgotten."""
        with store.change() as tx:
            for row in tx.execute(sa.select(EndpointSecret.__table__)).all():
                with contextlib.suppress(Unsealable):  # lost with a secret that nobody has any more
                    sealed = self._secret.seal(_PURPOSE, self._unsealed(row), bound_to=row.id)
                    tx.execute(sa.update(EndpointSecret).where(EndpointSecret.id == row.id).values(sealed=sealed))

    def signing(self, tx: sa.Connection, endpoint: str) -> list[SigningKey]:
        """The keys that sign now, the newest first."""
        good = sa.or_(EndpointSecret.until.is_(None), EndpointSecret.until > self._now())
        query = sa.select(EndpointSecret.__table__).where(EndpointSecret.endpoint_id == endpoint, good)
        rows = tx.execute(query.order_by(EndpointSecret.id.desc())).all()
        return [SigningKey(row.scheme, self._unsealed(row).decode()) for row in rows]

    def _unsealed(self, row: Row) -> bytes:
        return self._secret.unseal(_PURPOSE, bytes(row.sealed), bound_to=row.id)
