"""Redis and RabbitMQ through Dramatiq, which carry job ids; what is retried, when and how often is the job row's business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, ShutdownNotifications

Take = Callable[[str, str], None]
_STOP_MS = 20_000
_ACTOR = "take"
_REDIS: Any = RedisBroker


class Broker:
    """A `Transport` over Dramatiq: one queue for each service, the message id is the job's."""

    def __init__(self, url: str) -> None:
        middleware = [AgeLimit(), ShutdownNotifications()]
        self._broker: Any = (
            _REDIS(url=url, middleware=middleware, heartbeat_timeout=15_000)
            if url.startswith("redis")
            else RabbitmqBroker(url=url, middleware=middleware, confirm_delivery=True)
        )
        self._worker: dramatiq.Worker | None = None

    def announce(self, service: str, identifier: str) -> None:
        queue = f"{service}.jobs"
        self._broker.declare_queue(queue)
        self._broker.enqueue(
            dramatiq.Message(
                queue_name=queue, actor_name=f"{service}.{_ACTOR}", args=(identifier,), kwargs={}, options={},
                message_id=identifier,
            )
        )  # fmt: skip

    def listen(self, services: tuple[str, ...], take: Take, *, threads: int) -> None:
        for service in services:
            self._declare(service, take)
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=100)
        self._worker.start()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop(timeout=_STOP_MS)
        self._broker.close()

    def _declare(self, service: str, take: Take) -> None:
        def run(identifier: str) -> None:
            take(service, identifier)

        dramatiq.Actor(
            run, broker=self._broker, actor_name=f"{service}.{_ACTOR}", queue_name=f"{service}.jobs", priority=0,
            options={},
        )  # fmt: skip
