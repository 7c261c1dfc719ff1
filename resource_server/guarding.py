"""The guard as the services use it: whom they trust, and the table in which their nodes remember what was used."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from token_guard import Guard, IssuerTrust, JwksPolicy
from token_guard.once_sql import SqlOnce

from resource_server.db import Model, Store
from resource_server.settings import Settings

_OLDEST_KEYS = 60
"""Within so many seconds a key that is revoked in an emergency is refused, even where no event of it arrives."""


class UsedOnce(Model):
    """Proofs that were used, until their window is over."""

    __tablename__ = "used_once"
    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    until: Mapped[int] = mapped_column(sa.BigInteger, index=True)


def build_guard(settings: Settings, store: Store) -> Guard:
    """One guard for every service of this process; nothing is fetched yet."""
    policy = JwksPolicy(snapshot=settings.jwks_snapshot, max_age=_OLDEST_KEYS)
    trust = IssuerTrust(
        settings.issuer,
        settings.audience,
        jwks_uri=settings.jwks_uri,
        delegated_audiences=tuple(settings.audiences(service)[1] for service in settings.services),
        policy=policy,
    )
    used = SqlOnce(
        store.engine.raw_connection, paramstyle=store.engine.dialect.paramstyle, table=UsedOnce.__tablename__
    )
    resource = settings.audience if settings.audience.startswith(("https://", "http://")) else None
    return Guard(trust, once=used, resource=resource, cache_seconds=settings.token_cache)
