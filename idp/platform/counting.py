"""Where counts are kept: in Redis where there is one, else in the database."""

from __future__ import annotations

from pydantic import SecretStr

from idp.clock import Clock
from idp.platform.db import Database
from idp.platform.limits import Counters, DatabaseCounters
from idp.platform.secrets import MasterKey
from idp.platform.throttle import DatabaseTallies, Tallies, Throttle
from idp.settings import Settings

_HOUR = 3600


def counters(redis_url: SecretStr | None, database: Database) -> Counters:
    if redis_url is None:
        return DatabaseCounters(database)
    from idp.platform.limits_redis import RedisCounters  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisCounters(redis_url.get_secret_value(), database.waiting)


def throttles(settings: Settings, database: Database, master: MasterKey, clock: Clock) -> tuple[Throttle, Throttle]:
    """That of answers, which are right or wrong, and that of letters and new accounts, which are asked for."""
    kept = tallies(settings.redis_url, database)
    answers = Throttle(kept, master, clock, window=settings.login_window, longest=settings.login_max_wait)
    return answers, Throttle(kept, master, clock, window=_HOUR, longest=settings.ask_max_wait)


def tallies(redis_url: SecretStr | None, database: Database) -> Tallies:
    if redis_url is None:
        return DatabaseTallies(database)
    from idp.platform.throttle_redis import RedisTallies  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisTallies(redis_url.get_secret_value(), database.waiting)
