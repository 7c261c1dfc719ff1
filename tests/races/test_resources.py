"""A resource that was just created is known to every thread that asks, whichever of them takes the new snapshot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from idp.oauth.resources import ResourceAdmin, ResourceDirectory
from idp.platform.audit import Audit
from idp.platform.db import Database
from tests.support.clocks import ManualClock

ISSUER = "https://idp.test"
THREADS, ROUNDS = 8, 25


def test_every_thread_finds_a_new_resource(database: Database, clock: ManualClock) -> None:
    admin = ResourceAdmin(database, Audit(clock), ISSUER, lambda _alg: None)
    directory = ResourceDirectory(database, ISSUER)
    barrier = Barrier(THREADS)

    def found(uri: str) -> bool:
        barrier.wait(30)
        return directory.find(uri) is not None

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            uri = f"https://api{number}.test"
            admin.create(uri=uri)
            assert all(pool.map(found, [uri] * THREADS))
