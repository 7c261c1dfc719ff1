"""Threads that serve: one at work, the others asleep, and nobody forgotten."""

from __future__ import annotations

import hashlib
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as all_of
from typing import Any

import pytest
from granian.server import mp

from idp import wsgi
from idp.platform import turnstile as module
from idp.platform.turnstile import Turnstile
from tests.guard.lists import eventually

PATIENCE = 20.0
SOON = 0.2


class Request:
    """Something that is served until it may end."""

    def __init__(self) -> None:
        self.begun, self.end, self.wait, self.waits = (threading.Event() for _ in range(4))

    def serve(self, turnstile: Turnstile) -> str:
        self.begun.set()
        if self.wait.is_set():
            with turnstile:
                self.waits.set()
                assert self.end.wait(PATIENCE)
        assert self.end.wait(PATIENCE)
        return "served"


class Server:
    """Threads of their own for requests, around which the turnstile stands."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile
        self._serve = turnstile.around(lambda serve: serve(turnstile))
        self._pool = ThreadPoolExecutor(40)

    def begin(self, request: Request) -> Future[str]:
        future = self._pool.submit(self._serve, request.serve)
        assert request.begun.wait(PATIENCE)
        return future

    def answer(self) -> Future[str]:
        """A request that is over at once; its thread may sleep."""
        request = Request()
        request.end.set()
        return self.begin(request)

    def close(self) -> None:
        """Wake everybody who still sleeps."""
        while self.turnstile._asleep:
            self.turnstile._wake()
        self._pool.shutdown()


@pytest.fixture
def server() -> Iterator[Server]:
    """One over which nobody watches."""
    server = Server(Turnstile())
    yield server
    server.close()


@pytest.fixture
def at_work(server: Server) -> Iterator[tuple[Request, Future[str]]]:
    request = Request()
    future = server.begin(request)
    yield request, future
    request.end.set()
    assert future.result(PATIENCE) == "served"


AtWork = tuple[Request, "Future[str]"]


def sleeps(future: Future[str]) -> bool:
    return not all_of([future], timeout=SOON).done


def test_whoever_has_answered_sleeps_while_somebody_is_at_work(server: Server, at_work: AtWork) -> None:
    assert sleeps(server.answer())


def test_whoever_is_alone_goes_on(server: Server) -> None:
    assert [server.answer().result(PATIENCE) for _ in range(3)] == ["served"] * 3


def test_who_says_that_it_waits_wakes_another(server: Server) -> None:
    first, second = Request(), Request()
    first.wait.set()
    working = server.begin(second)
    asleep = server.answer()
    assert sleeps(asleep)
    second.end.set()
    assert working.result(PATIENCE) == "served"
    with server.turnstile._lock:
        server.turnstile._looking.clear()  # it went where no request is
    waiting = server.begin(first)
    assert asleep.result(PATIENCE) == "served"
    first.end.set()
    assert waiting.result(PATIENCE) == "served"


def test_nobody_is_woken_while_another_looks_for_requests(server: Server) -> None:
    working, waits = Request(), Request()
    begun, asleep = server.begin(working), server.answer()
    assert sleeps(asleep)
    server.turnstile._looking[0] = time.monotonic()
    working.end.set()
    assert begun.result(PATIENCE) == "served"
    waits.wait.set()
    waiting = server.begin(waits)
    assert waits.waits.wait(PATIENCE)
    assert sleeps(asleep)
    waits.end.set()
    assert waiting.result(PATIENCE) == "served"


def test_whoever_waited_does_not_sleep(server: Server, at_work: AtWork) -> None:
    request = Request()
    request.wait.set()
    request.end.set()
    assert server.begin(request).result(PATIENCE) == "served"


def test_a_wait_may_hold_another_and_who_serves_nothing_may_wait(server: Server, at_work: AtWork) -> None:
    turnstile = server.turnstile

    def serve(_turnstile: Turnstile) -> str:
        with turnstile, turnstile:
            assert len(turnstile._at_work) == 1
        return "served"

    assert turnstile.around(serve)(turnstile) == "served"
    with turnstile:
        assert len(turnstile._at_work) == 1
    assert len(turnstile._at_work) == 1


def test_a_failure_is_told_and_its_thread_is_no_longer_at_work() -> None:
    turnstile = Turnstile()

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        turnstile.around(fail)()
    assert not turnstile._at_work


def test_who_is_stuck_without_saying_so_is_found_out(server: Server, at_work: AtWork) -> None:
    """As with bodies that are sent slowly: each stuck request has others go on."""
    server.turnstile.start()
    stuck = [Request() for _ in range(30)]
    for request in stuck:
        server.begin(request)
    assert [server.answer().result(PATIENCE) for _ in range(20)] == ["served"] * 20
    for request in stuck:
        request.end.set()


@pytest.mark.parametrize(("moments", "woken"), [(1_000_000, False), (10, True)])
def test_who_computes_is_not_stuck_unless_it_takes_long(
    server: Server, monkeypatch: pytest.MonkeyPatch, moments: int, woken: bool
) -> None:
    """Where the machine has little time to give, nothing is finished for a moment, and another thread would make it worse.

    It computes beside the interpreter: whoever waits for the interpreter's lock, with others who do, does not always look as if it ran.
    """
    monkeypatch.setattr(module, "_BUSY", moments)
    begun, over = threading.Event(), threading.Event()

    def compute(_turnstile: Turnstile) -> str:
        begun.set()
        while not over.is_set():
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000)
        return "served"

    computing = server._pool.submit(server._serve, compute)
    assert begun.wait(PATIENCE)
    asleep = server.answer()
    eventually(lambda: bool(server.turnstile._asleep), PATIENCE)
    server.turnstile.start()
    woken = woken or sys.platform != "linux"  # no other system tells which threads run
    all_of([asleep], timeout=PATIENCE if woken else SOON)
    was_woken = asleep.done()
    over.set()
    assert computing.result(PATIENCE) == "served"
    assert was_woken == woken


def test_more_at_once_is_for_a_while(server: Server, at_work: AtWork) -> None:
    server.turnstile.start()
    assert server.answer().result(PATIENCE) == "served", "woken"
    eventually(lambda: server.turnstile._at_once == 1, PATIENCE)


def test_sleep_has_an_end(server: Server, at_work: AtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_SLEEP", SOON)
    assert server.answer().result(PATIENCE) == "served"
    assert not server.turnstile._asleep


@pytest.mark.parametrize("seed", range(4))
def test_every_request_is_served_whatever_the_others_do(seed: int) -> None:
    """A pool like the server's: threads take requests from one line; some compute, some wait and say so, some do not."""
    turnstile, line, served = Turnstile(), queue.SimpleQueue[Callable[[], None] | None](), []
    turnstile.start()

    def told() -> None:
        with turnstile:
            time.sleep(0.0005)

    kinds: list[Callable[[], None]] = [lambda: None] * 20 + [told] * 5 + [lambda: time.sleep(0.004)]

    def serve(request: Callable[[], None]) -> None:
        request()
        served.append(request)

    around = turnstile.around(serve)

    def run() -> None:
        while (request := line.get()) is not None:
            around(request)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    chosen = random.Random(seed).choices(kinds, k=3000)
    for request in chosen:
        line.put(request)
    eventually(lambda: len(served) == len(chosen), 3 * PATIENCE)
    for _ in threads:
        line.put(None)


def test_it_stands_where_the_server_has_sent_its_answer(
    server: Server, at_work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function around an application that Granian makes in a worker, which it promises to nobody."""
    monkeypatch.setattr(mp, wsgi._AROUND_APPLICATIONS, getattr(mp, wsgi._AROUND_APPLICATIONS))
    wsgi._stand_around_requests(server.turnstile)
    sent: list[Any] = []

    class Answering:
        def response_bytes(self, *answer: Any) -> None:
            sent.append(answer)

    def application(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return [b"yes"]

    around = getattr(mp, wsgi._AROUND_APPLICATIONS)(application, {}, None)
    future = server._pool.submit(around, Answering(), {})
    eventually(lambda: bool(sent), PATIENCE)
    assert sent == [(200, [], b"yes")]
    assert sleeps(future)
