"""Who sends a request: DPoP proofs, their replays and their nonces."""

from __future__ import annotations

from urllib.parse import urlsplit

from idp.oauth.dpop_nonces import Nonces
from idp.oauth.sender import Proofs
from idp.platform.replay import DatabaseReplays, Replays
from idp.settings import Settings
from idp.wiring import House


def proofs(house: House) -> Proofs:
    """What checks proofs, the same for every endpoint: what one of them has burned, no other takes."""
    settings = house.settings
    return Proofs(
        house.clock,
        _replays(house),
        origins=_origins(settings),
        window=settings.dpop_window,
        nonces=Nonces(house.master, house.clock) if settings.dpop_nonce else None,
    )


def _replays(house: House) -> Replays:
    if house.settings.redis_url is None:
        return DatabaseReplays(house.database)
    from idp.platform.replay_redis import RedisReplays  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisReplays(house.settings.redis_url.get_secret_value())


def _origins(settings: Settings) -> tuple[str, ...]:
    issuer = urlsplit(settings.issuer)
    return (f"{issuer.scheme}://{issuer.netloc}",)
