"""A question through a broker and the answer back: Redis lists, or RabbitMQ queues with its direct reply.

A broker may lose what it carries: then no answer comes, and whoever asked asks again under the same key. Questions nobody waits for any more are
dropped unread.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from threading import Event, local
from typing import Any, Protocol

import pika
import redis
from pika.exceptions import AMQPError

from resource_server.edges.faces import Unreachable

_LOOK = 1
_KEPT = 60
_DIRECT = "amq.rabbitmq.reply-to"
Answer = Callable[[bytes], bytes]


class Line(Protocol):
    """One broker. Used by many threads."""

    def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        """The answer; raises `Unreachable` when none comes in time."""

    def serve(self, queue: str, answer: Answer, stopping: Event) -> None:
        """Answer one question after the other until the event is set; raises what the broker raises."""


def open_line(url: str) -> Line:
    """The broker at `redis://` or `amqp://`; connected with the first question."""
    return RedisLine(url) if url.startswith("redis") else AmqpLine(url)


class RedisLine:
    """A list for the questions, and one for each answer, which lives for a minute."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_connect_timeout=1)

    def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        name = f"{queue}:answer:{secrets.token_urlsafe(16)}"
        until = str(time.time() + seconds).encode()
        try:
            self._redis.lpush(queue, b"\n".join((name.encode(), until, question)))
            found = self._redis.brpop([name], timeout=seconds)
        except redis.RedisError as error:
            raise Unreachable(type(error).__name__) from error
        if found is None:
            raise Unreachable("no answer in time")
        return bytes(found[1])

    def serve(self, queue: str, answer: Answer, stopping: Event) -> None:
        while not stopping.is_set():
            found = self._redis.brpop([queue], timeout=_LOOK)
            if found is None:
                continue
            name, until, question = bytes(found[1]).split(b"\n", 2)
            if float(until) > time.time():
                with self._redis.pipeline() as answered:
                    answered.lpush(name, answer(question)).expire(name, _KEPT).execute()


class AmqpLine:
    """A queue for the questions; the answer comes straight back to the connection that asked. A connection is one thread's."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.socket_timeout = 1
        self._parameters.heartbeat = 0  # a thread that asks now and then sends none between
        self._mine = local()

    def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        try:
            asker: _Asker | None = getattr(self._mine, "asker", None)
            if asker is None:
                asker = self._mine.asker = _Asker(pika.BlockingConnection(self._parameters))
            return asker.ask(queue, question, seconds)
        except (AMQPError, OSError) as error:
            self._mine.asker = None
            raise Unreachable(type(error).__name__) from error

    def serve(self, queue: str, answer: Answer, stopping: Event) -> None:
        channel = pika.BlockingConnection(self._parameters).channel()
        channel.queue_declare(queue)
        channel.basic_qos(prefetch_count=1)
        for method, properties, body in channel.consume(queue, inactivity_timeout=_LOOK):
            if method is not None and properties is not None:
                to = pika.BasicProperties(correlation_id=properties.correlation_id)
                channel.basic_publish("", str(properties.reply_to), answer(body or b""), to)
                channel.basic_ack(method.delivery_tag)
            if stopping.is_set():
                break
        channel.connection.close()


class _Asker:
    """A connection with the answers that come back to it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._answers: dict[str, bytes] = {}
        self._waited_for = ""
        self._channel.basic_consume(_DIRECT, self._heard, auto_ack=True)

    def _heard(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        if properties.correlation_id == self._waited_for:  # a late one is nobody's any more
            self._answers[self._waited_for] = body

    def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        end, name = time.monotonic() + seconds, secrets.token_urlsafe(16)
        self._waited_for = name
        self._channel.queue_declare(queue)
        sent = pika.BasicProperties(reply_to=_DIRECT, correlation_id=name, expiration=str(int(seconds * 1000)))
        self._channel.basic_publish("", queue, question, sent)
        while name not in self._answers:
            left = end - time.monotonic()
            if left <= 0:
                raise Unreachable("no answer in time")
            self._connection.process_data_events(time_limit=left)
        return self._answers.pop(name)
