"""What is told about each decision: counters for a scrape, a journal that knows a refusal's reason by its trace id, and a log line."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock

from token_guard.checks import ADVICE, Check
from token_guard.errors import GuardError
from token_guard.forking import survive_forks
from token_guard.jwks_cache import KeysState
from token_guard.status_cache import ListsState

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision: accepted, refused, or unknown where the guard could not tell. `at` in epoch seconds.

    `token` are the first 8 hex digits of its SHA-256, to find it again in other logs; no part of the token itself is kept.
    """

    outcome: str
    status: int
    at: float
    trace_id: str | None = None
    issuer: str | None = None
    check: Check | None = None
    reason: str = ""
    token: str = ""

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.check] if self.check else ""


Observe = Callable[[Outcome], None]


class Observations:
    """Counts every decision, keeps the last refusals, tells `observe`; nothing that goes wrong here reaches a request."""

    def __init__(self, *, journal: int, observe: Observe | None) -> None:
        self._most = journal
        self._observe = observe
        self._counts: dict[tuple[str, str], int] = {}
        self._refusals: OrderedDict[str, Outcome] = OrderedDict()
        self._lock = Lock()
        survive_forks(self)

    def accepted(self, *, issuer: str, trace_id: str | None, now: float) -> None:
        """Somebody may pass."""
        self._count(ACCEPTED, "")
        if self._observe is not None:
            self._tell(Outcome(ACCEPTED, 200, now, trace_id, issuer))

    def refused(self, error: GuardError, *, token: str | None, now: float) -> None:
        """Somebody may not, or nobody can tell."""
        outcome = UNKNOWN if error.status == 503 else REFUSED
        self._count(outcome, error.check)
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:8] if token else ""
        told = Outcome(outcome, error.status, now, error.trace_id, None, error.check, error.reason, digest)
        log.info("%s %s by %s: %s", told.trace_id or "-", outcome, told.check, told.reason, extra={"outcome": told})
        self._remember(told)
        if self._observe is not None:
            self._tell(told)

    def find(self, trace_id: str) -> Outcome | None:
        """Why the request with this trace id was refused, if it was one of the last that were."""
        return self._refusals.get(trace_id)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(outcome, check): how often."""
        with self._lock:
            return dict(self._counts)

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._lock = Lock()

    def _count(self, outcome: str, check: str) -> None:
        with self._lock:
            self._counts[outcome, check] = self._counts.get((outcome, check), 0) + 1

    def _remember(self, told: Outcome) -> None:
        if told.trace_id is None or self._most <= 0:
            return
        with self._lock:
            self._refusals[told.trace_id] = told
            if len(self._refusals) > self._most:
                self._refusals.popitem(last=False)

    def _tell(self, outcome: Outcome) -> None:
        try:
            assert self._observe is not None
            self._observe(outcome)
        except Exception:
            log.exception("the observer of the app failed")


class Unobserved(Observations):
    """Counts, keeps and tells nothing."""

    def __init__(self) -> None:
        super().__init__(journal=0, observe=None)

    def accepted(self, *, issuer: str, trace_id: str | None, now: float) -> None:
        """Nobody hears of it."""

    def refused(self, error: GuardError, *, token: str | None, now: float) -> None:
        """Nobody hears of it."""


def prometheus(counts: Mapping[tuple[str, str], int], keys: Mapping[str, KeysState], lists: ListsState) -> str:
    """The counters and states in Prometheus' text format; the labels are checks and trusted issuers, so there are only so many."""
    return "\n".join([*_requests(counts), *_keys(keys), *_lists(lists), ""])


def _requests(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    yield "# HELP token_guard_requests_total Requests judged, by outcome and by the check that refused."
    yield "# TYPE token_guard_requests_total counter"
    for (outcome, check), count in sorted(counts.items()):
        yield f'token_guard_requests_total{{outcome="{outcome}",check="{check}"}} {count}'


def _keys(keys: Mapping[str, KeysState]) -> Iterator[str]:
    states = [(issuer.replace("\\", "\\\\").replace('"', '\\"'), state) for issuer, state in sorted(keys.items())]
    yield "# HELP token_guard_jwks_age_seconds Seconds since the last good fetch of an issuer's keys; absent without any."
    yield "# TYPE token_guard_jwks_age_seconds gauge"
    for issuer, state in states:
        if state.age is not None:
            yield f'token_guard_jwks_age_seconds{{issuer="{issuer}"}} {state.age:.1f}'
    yield "# TYPE token_guard_jwks_stale gauge"
    yield from (f'token_guard_jwks_stale{{issuer="{issuer}"}} {int(not state.fresh)}' for issuer, state in states)
    yield "# TYPE token_guard_jwks_fetches_total counter"
    yield from (f'token_guard_jwks_fetches_total{{issuer="{issuer}"}} {state.fetches}' for issuer, state in states)
    yield "# TYPE token_guard_jwks_failures_total counter"
    yield from (f'token_guard_jwks_failures_total{{issuer="{issuer}"}} {state.failures}' for issuer, state in states)


def _lists(lists: ListsState) -> Iterator[str]:
    told = {
        "lists": ("gauge", lists.kept),
        "lists_fresh": ("gauge", lists.fresh),
        "fetches_total": ("counter", lists.fetches),
        "failures_total": ("counter", lists.failures),
        "unchecked_total": ("counter", lists.unchecked),
    }
    for name, (kind, value) in told.items():
        yield f"# TYPE token_guard_status_{name} {kind}"
        yield f"token_guard_status_{name} {value}"
