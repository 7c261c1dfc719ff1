"""A proof is good once, whatever the number of threads, workers and nodes; a store that is away lets nothing through."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import urlsplit

import pytest
import redis
import sqlalchemy as sa

from idp.errors import Unavailable
from idp.platform import replay
from idp.platform.db import Database
from idp.platform.models import ReplayRow
from idp.platform.replay import DatabaseReplays, Replays
from idp.platform.replay_redis import RedisReplays
from tests.conftest import API
from tests.senders.holder import BoundApp
from tests.support.clocks import ManualClock
from tests.support.proxy import Wire
from tests.support.running import RunningIdp

REPLAYS = 50


@pytest.fixture
def redis_wire(redis_url: str) -> Iterator[tuple[Wire, str]]:
    """A Redis behind a wire that can be cut, and its URL."""
    target = urlsplit(redis_url)
    with Wire((str(target.hostname), target.port or 6379)) as wire:
        yield wire, f"redis://127.0.0.1:{wire.port}/0"


def at_once(app: BoundApp, nodes: tuple[str, ...], proof: str) -> Counter[str]:
    """What `REPLAYS` requests with one proof are answered."""
    barrier = Barrier(REPLAYS)

    def ask(number: int) -> str:
        barrier.wait(30)
        base = nodes[number % len(nodes)]
        answer = app.post("/oauth/token", base=base, proof=proof, grant_type="client_credentials", scope="read")
        return str(answer.json().get("error", answer.status_code))

    with ThreadPoolExecutor(REPLAYS) as pool:
        return Counter(pool.map(ask, range(REPLAYS)))


def service(idp: RunningIdp) -> BoundApp:
    return BoundApp(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))


def test_one_proof_sent_to_two_nodes_many_times_at_once_is_good_once(idp: RunningIdp) -> None:
    app = service(idp)
    nodes = (idp.url, idp.node(workers=2))
    proof = app.key.proof("POST", f"{idp.url}/oauth/token")
    assert at_once(app, nodes, proof) == {"200": 1, "invalid_dpop_proof": REPLAYS - 1}


def test_with_redis_too_and_without_it_nothing_goes_through(idp: RunningIdp, redis_wire: tuple[Wire, str]) -> None:
    wire, url = redis_wire
    app = service(idp)
    nodes = (idp.node(redis_url=url), idp.node(redis_url=url))
    proof = app.key.proof("POST", f"{idp.url}/oauth/token")
    assert at_once(app, nodes, proof) == {"200": 1, "invalid_dpop_proof": REPLAYS - 1}
    wire.cut()
    for node in nodes:
        answer = app.post("/oauth/token", base=node, grant_type="client_credentials", scope="read")
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert app.post("/oauth/token", base=node, proof=None, grant_type="client_credentials").status_code == 200
    wire.mend()
    for node in nodes:
        assert app.post("/oauth/token", base=node, grant_type="client_credentials").status_code == 200


def test_the_same_identifier_of_another_key_is_another_proof(idp: RunningIdp) -> None:
    for app in (service(idp), service(idp)):
        proof = app.key.proof("POST", f"{idp.url}/oauth/token", jti="the same")
        answer = app.post("/oauth/token", proof=proof, grant_type="client_credentials", scope="read")
        assert answer.status_code == 200


def test_a_refused_proof_is_not_burned(idp: RunningIdp) -> None:
    app = service(idp)
    url, jti = f"{idp.url}/oauth/token", "only once"
    for wrong in ({"htm": "GET"}, {"iat": 1}, {"htu": f"{url}/x"}):
        refused = app.post(
            "/oauth/token", proof=app.key.proof("POST", url, jti=jti, **wrong), grant_type="client_credentials"
        )
        assert refused.status_code == 400
    assert (
        app.post("/oauth/token", proof=app.key.proof("POST", url, jti=jti), grant_type="client_credentials").status_code
        == 200
    )


@pytest.fixture(params=["database", "redis"])
def replays(request: pytest.FixtureRequest, database: Database) -> Replays:
    if request.param == "database":
        return DatabaseReplays(database)
    return RedisReplays(request.getfixturevalue("redis_url"))


def test_a_key_is_burned_once(replays: Replays, clock: ManualClock) -> None:
    now, key = clock.now(), secrets.token_hex(8)
    assert replays.burn(key, now=now, until=now + 120)
    assert not replays.burn(key, now=now, until=now + 120)
    assert replays.burn(f"{key} other", now=now, until=now)


def test_burned_keys_are_kept_until_their_time_is_over(database: Database, clock: ManualClock, redis_url: str) -> None:
    now = clock.now()
    for until in (now - 1, now, now + 10):
        DatabaseReplays(database).burn(str(until), now=now, until=until)
    with database.write() as tx:
        assert replay.prune(tx, now, 100) == 1
        assert set(tx.execute(sa.select(ReplayRow.key)).scalars()) == {str(now), str(now + 10)}
    key = secrets.token_hex(8)
    RedisReplays(redis_url).burn(key, now=now, until=now + 100)
    assert 90 < redis.Redis.from_url(redis_url).ttl(f"idp:replay:{key}") <= 100


def test_a_redis_that_is_away_burns_nothing(redis_wire: tuple[Wire, str]) -> None:
    wire, url = redis_wire
    replays = RedisReplays(url)
    assert replays.burn(secrets.token_hex(8), now=0, until=60)
    wire.cut()
    with pytest.raises(Unavailable):
        replays.burn("after", now=0, until=60)
