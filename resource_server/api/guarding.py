"""The guard as the services use it: whom they trust, and where each remembers what was used once."""

from __future__ import annotations

from token_guard import Guard, IssuerTrust, JwksPolicy
from token_guard.dpop import Dpop
from token_guard.nonces import Nonces
from token_guard.once_sql import SqlOnce

from resource_server.calls.opening import trusted_callers
from resource_server.platform import deadlines
from resource_server.platform.secret import Secret
from resource_server.platform.store import Store
from resource_server.platform.tables import UsedOnceColumns
from resource_server.settings import Settings

_OLDEST_KEYS = 60
"""Within so many seconds a key that is revoked in an emergency is refused, even where no event of it arrives."""


def build_guard(settings: Settings, secret: Secret) -> Guard:
    """One guard for every service of this process; nothing is fetched yet."""
    policy = JwksPolicy(snapshot=settings.jwks_snapshot, max_age=_OLDEST_KEYS)
    trust = IssuerTrust(
        settings.issuer,
        settings.audience,
        jwks_uri=settings.jwks_uri,
        delegated_audiences=tuple(settings.audiences(service)[1] for service in settings.services),
        policy=policy,
    )
    resource = settings.audience if settings.audience.startswith(("https://", "http://")) else None
    dpop = Dpop(nonces=Nonces((secret.sign("dpop nonce", b""),))) if settings.dpop_nonce else None
    return Guard(
        trust,
        *trusted_callers(settings, secret),
        dpop=dpop,
        resource=resource,
        cache_seconds=settings.token_cache,
        seconds_left=deadlines.seconds_left,
    )


def of_service(guard: Guard, store: Store) -> Guard:
    """The guard of one service: its nodes share what was used in its own store, whether they run as one process or apart."""
    used = SqlOnce(
        store.engine.raw_connection, paramstyle=store.engine.dialect.paramstyle, table=UsedOnceColumns.__tablename__
    )
    return guard.remembering(used)
