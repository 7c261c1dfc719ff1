"""How workers learn of jobs. The job row stays the truth: a broker carries its id and may lose it, repeat it or hand it out of order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Take = Callable[[str, str], None]
"""(service, job id): run the job, if it is there to be run. Raises nothing; when it returns, the broker may forget the id."""


class Transport(Protocol):
    """A broker. Announcing raises when it cannot be reached."""

    def announce(self, service: str, identifier: str) -> None:
        """Carry the id of a job to one worker of a service."""

    def listen(self, services: tuple[str, ...], take: Take, *, threads: int) -> None:
        """Start handing ids over, in so many threads; returns at once."""

    def stop(self) -> None:
        """Hand out nothing more, and wait for what was handed out."""


def open_transport(url: str) -> Transport | None:
    """The broker behind `redis://` or `amqp://`; None for `db://`, where workers look for themselves."""
    if url.startswith("db:"):
        return None
    from resource_server.work.brokers import Broker  # noqa: PLC0415 - Dramatiq, only where it is switched on

    return Broker(url)
