"""What runs beside the requests: jobs, due keys, pushes, and the metrics; once a node, in the process that serves none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from idp.oauth.logout.deliveries import LogoutPost
from idp.platform.jobs import Jobs, Loop
from idp.platform.pusher import Pusher
from idp.platform.telemetry import serve_metrics
from idp.wiring import House

_DAY = 86400


class Background:
    """The threads beside the requests: jobs, pushes, and the metrics server; a context manager."""

    def __init__(self, house: House, *, jobs: bool, metrics: Path | None) -> None:
        self._house = house
        self._jobs = jobs
        self._metrics = metrics
        self._loops: list[Loop] = []
        self._running = ExitStack()

    def __enter__(self) -> Background:
        house, settings = self._house, self._house.settings
        house.keyring.reload()
        self._repeat(Loop("generations", house.watcher().poll, seconds=1.0))
        if house.database.lease is not None:
            self._repeat(Loop("lease", house.database.lease.keep, seconds=1.0))
        if self._jobs:
            house.jobs.register("prune", partial(_prune, house), every=3600)
            promote = partial(house.keyring.promote_due, settings.key_rotation_days * _DAY)
            self._repeat(Loop("keys", promote, seconds=1.0))
            self._repeat(Loop("jobs", house.jobs.run_due))
            self._repeat(Loop("outbox", pusher(house).run))
            self._repeat(Loop("logout", logout_runner(house).run_due))
        if self._metrics is not None and settings.metrics_port is not None:
            server, _thread = serve_metrics(settings.metrics_port, self._metrics)
            self._running.callback(server.shutdown)
        return self

    def __exit__(self, *error: object) -> None:
        for loop in self._loops:
            loop.stop()  # all at once: what each has under way ends side by side
        self._running.close()

    def _repeat(self, loop: Loop) -> None:
        self._loops.append(self._running.enter_context(loop))


def pusher(house: House) -> Pusher:
    """Pushes events, signed with the key that signs access tokens."""

    def sign(claims: Mapping[str, Any]) -> str:
        return house.keyring.signer("ES256").compose("secevent+jwt", claims)

    return Pusher(house.database, house.clock, house.outbound, sign, issuer=house.settings.issuer)


def logout_runner(house: House) -> Jobs:
    """Delivers logout tokens: a runner of its own, so that an app that does not answer holds up no other work."""
    runner = Jobs(house.database, house.clock)
    LogoutPost(
        house.database,
        house.clock,
        house.audit,
        house.client_directory,
        house.keyring,
        house.subjects,
        house.outbound,
        issuer=house.settings.issuer,
    ).register(runner)
    return runner


def _prune(house: House, _payload: Mapping[str, Any]) -> None:
    house.prune()
