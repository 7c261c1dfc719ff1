"""A worker process, or the threads of one: claims or is told of jobs, runs them side by side, holds their leases, stops gracefully."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from resource_server.work.kinds import Job
from resource_server.work.runner import Runner
from resource_server.work.steps import NO_STEPS, Steps
from resource_server.work.transports import Transport

_PRUNE_SECONDS = 600.0
_LONGEST_WAIT = 5.0
log = structlog.get_logger("rs.work")


class Loop:
    """A thread that repeats `work` with a pause; it goes on at once after work that says it did something, and more slowly after failures."""

    def __init__(self, name: str, work: Callable[[], object], *, pause: float) -> None:
        self._work = work
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait for what is being done."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            try:
                wait = 0.0 if self._work() else self._pause
            except Exception as error:
                log.warning("work failed", thread=self._thread.name, error=type(error).__name__)
                wait = min(max(wait, self._pause) * 2, _LONGEST_WAIT)


class Relay:
    """Announces due jobs to the broker, and, being its own sweeper, anew those of which nothing was heard for a lease."""

    def __init__(self, runners: Mapping[str, Runner], transport: Transport, *, steps: Steps = NO_STEPS) -> None:
        self._runners = runners
        self._transport = transport
        self._steps = steps

    def run(self, limit: int = 200) -> int:
        """Announce what waits; returns how many."""
        return sum(self._announce(service, runner, limit) for service, runner in self._runners.items())

    def _announce(self, service: str, runner: Runner, limit: int) -> int:
        taken = runner.jobs.unannounced(runner.kinds, limit)
        if taken:
            self._steps.at("relay.taken")
        for _kind, identifier in taken:
            self._transport.announce(service, identifier)
            self._steps.at("relay.announced")
        return len(taken)


class Worker:
    """Runs the jobs of several services, `threads` at a time. Without a transport it looks for due jobs itself.

    With one, `relay` announces due jobs and `listen` hears of them, here or in another process.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        transport: Transport | None,
        *,
        threads: int,
        poll: float = 0.1,
        relay: bool = True,
        listen: bool = True,
        steps: Steps = NO_STEPS,
    ) -> None:
        self._runners = runners
        self._transport = transport
        self._threads = threads
        self._free = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="job")
        self._listen = listen
        lease = min((runner.jobs.lease for runner in runners.values()), default=1.0)
        self._beats = [
            Loop("heartbeat", self._heartbeat, pause=lease / 3),
            Loop("prune", self._prune, pause=_PRUNE_SECONDS),
        ]
        self._loops = [Loop("claim", self._claim, pause=poll)] if transport is None and listen else []
        if transport is not None and relay:
            self._loops.append(Loop("relay", Relay(runners, transport, steps=steps).run, pause=poll))

    def start(self) -> None:
        """Start the threads."""
        if self._transport is not None and self._listen:
            self._transport.listen(tuple(self._runners), self._take, threads=self._threads)
        for loop in (*self._beats, *self._loops):
            loop.start()

    def stop(self) -> None:
        """Claim nothing more, finish what runs, give up the rest: leases that are left run out."""
        for loop in self._loops:
            loop.stop()
        if self._transport is not None:
            self._transport.stop()
        self._pool.shutdown(wait=True)
        for loop in self._beats:
            loop.stop()

    def _take(self, service: str, identifier: str) -> None:
        try:
            self._runners[service].take(identifier)
        except Exception as error:  # not run, so the relay announces it anew
            log.warning("job not taken", job=identifier, error=type(error).__name__)

    def _claim(self) -> bool:
        """Claim as many jobs as there are free threads, of each service in turn."""
        return sum(self._claim_of(runner) for runner in self._runners.values()) > 0

    def _claim_of(self, runner: Runner) -> bool:
        free = 0
        while self._free.acquire(blocking=free == 0, timeout=0.5 if free == 0 else None):
            free += 1
        if free == 0:
            return False
        claimed: list[Job] = []
        try:
            claimed = runner.claim(free)
        finally:
            if free > len(claimed):
                self._free.release(free - len(claimed))
        for job in claimed:
            self._pool.submit(self._run, runner, job)
        return bool(claimed)

    def _run(self, runner: Runner, job: Job) -> None:
        try:
            runner.run(job)
        finally:
            self._free.release()

    def _heartbeat(self) -> None:
        for runner in self._runners.values():
            runner.heartbeat()

    def _prune(self) -> bool:
        return sum(runner.jobs.prune() for runner in self._runners.values()) > 0


def run_until(worker: Worker, stopped: threading.Event) -> None:
    """Run a worker until the event is set."""
    worker.start()
    stopped.wait()
    started = time.monotonic()
    worker.stop()
    log.info("worker stopped", seconds=round(time.monotonic() - started, 2))
