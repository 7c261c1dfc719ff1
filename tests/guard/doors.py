"""The examples as processes, each behind a door of the same shape: knock with a token, and see the verdict as HTTP would tell it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import redis
import requests

from tests.support.ports import free_port
from tests.support.running import Process

EXAMPLES = Path(__file__).parents[2] / "examples"
WAIT = 30
STATUSES = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`challenge` is None where the carrier has no place for one; `body` is what a caller let in sees."""

    status: int
    challenge: str | None = None
    retry_after: str | None = None
    body: str = ""


class Door(Protocol):
    """One guarded operation that needs the scope `read`."""

    def knock(self, authorization: str | None) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class HttpDoor:
    url: str

    def knock(self, authorization: str | None) -> Verdict:
        headers = {"Authorization": authorization} if authorization else {}
        answer = requests.get(f"{self.url}/payments", headers=headers, timeout=WAIT)
        told = answer.headers.get
        return Verdict(answer.status_code, told("WWW-Authenticate", ""), told("Retry-After"), answer.text)


@dataclass(frozen=True, slots=True)
class GrpcDoor:
    channel: Any

    def knock(self, authorization: str | None) -> Verdict:
        ask = self.channel.unary_unary("/shop.Payments/List", str.encode, bytes.decode)
        metadata = (("authorization", authorization),) if authorization else ()
        try:
            return Verdict(200, "", body=ask("", metadata=metadata, timeout=WAIT))
        except grpc.RpcError as error:
            told = dict(error.trailing_metadata())
            status = STATUSES[error.code()]
            return Verdict(status, told.get("www-authenticate", ""), told.get("retry-after"), error.details())


@dataclass(frozen=True, slots=True)
class QueueDoor:
    queue: Any
    name: str

    def knock(self, authorization: str | None) -> Verdict:
        headers = {"authorization": authorization} if authorization else {}
        self.queue.lpush(self.name, json.dumps({"headers": headers}))
        return self._outcome()

    def _outcome(self) -> Verdict:
        for _ in range(WAIT * 4):
            if (done := self.queue.brpop([f"{self.name}:done", f"{self.name}:dead"], timeout=0.25)) is not None:
                message = json.loads(done[1])
                if "refusal" in message:
                    return Verdict(message["refusal"]["status"])
                return Verdict(200, body=message["by"])
            if self.queue.zpopmin(f"{self.name}:later"):
                return Verdict(503, retry_after="later")
        raise AssertionError("the message was never judged")


@contextmanager
def http_door(name: str, folder: Path, **environ: str) -> Iterator[HttpDoor]:
    url, command, given = _served(f"{name}/app.py", environ)
    process = Process(command, given, folder / f"{name}.log", f"{url}/healthz")
    try:
        yield HttpDoor(url)
    finally:
        process.kill()


@contextmanager
def grpc_door(folder: Path, **environ: str) -> Iterator[GrpcDoor]:
    url, command, given = _served("guarded_grpc/server.py", environ)
    with _process(command, given, folder / "grpc.log"), grpc.insecure_channel(url.removeprefix("http://")) as channel:
        grpc.channel_ready_future(channel).result(WAIT)
        yield GrpcDoor(channel)


@contextmanager
def queue_door(folder: Path, redis_url: str, **environ: str) -> Iterator[QueueDoor]:
    name = f"payments-{secrets.token_hex(4)}"
    _url, command, given = _served("guarded_queue/consumer.py", {**environ, "REDIS": redis_url, "QUEUE": name})
    with redis.Redis.from_url(redis_url) as queue, _process(command, given, folder / "queue.log"):
        yield QueueDoor(queue, name)


def _served(script: str, environ: dict[str, str]) -> tuple[str, list[str], dict[str, str]]:
    port = free_port()
    given = {**os.environ, **environ, "PORT": str(port)}
    return f"http://127.0.0.1:{port}", [sys.executable, str(EXAMPLES / script)], given


@contextmanager
def _process(command: list[str], environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output, contextlib.ExitStack() as stack:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield
