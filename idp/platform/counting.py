"""Where counts are kept: in Redis where there is one, else in the database."""

from __future__ import annotations

from pydantic import SecretStr

from idp.platform.db import Database
from idp.platform.limits import Counters, DatabaseCounters
from idp.platform.throttle import DatabaseTallies, Tallies


def counters(redis_url: SecretStr | None, database: Database) -> Counters:
    if redis_url is None:
        return DatabaseCounters(database)
    from idp.platform.limits_redis import RedisCounters  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisCounters(redis_url.get_secret_value())


def tallies(redis_url: SecretStr | None, database: Database) -> Tallies:
    if redis_url is None:
        return DatabaseTallies(database)
    from idp.platform.throttle_redis import RedisTallies  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisTallies(redis_url.get_secret_value())
