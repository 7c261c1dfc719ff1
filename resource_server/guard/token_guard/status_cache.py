"""The status lists this API needs, fetched when a token first points into one and kept fresh in the background.

A list is good for its `ttl`. Then the next check fetches it, once for all who wait; when that fails, each operation's own rule decides
(`on_stale`): allow by what was last known, or deny, which is 503 since the token may be good. A pushed hint makes a list stale at once.
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Literal

from token_guard.checks import Check
from token_guard.errors import cannot_know, invalid_token
from token_guard.fetch import Fetched, FetchError, get
from token_guard.flights import Flight, SecondsLeft, forever
from token_guard.forking import survive_forks
from token_guard.outbound import Limits
from token_guard.principal import StatusReference
from token_guard.status_list import MEDIA_TYPE, VALID, StatusList, StatusListError, read_status_list

OnStale = Literal["allow", "deny"]
FetchList = Callable[[str, Limits, str | None], Fetched]
Verify = Callable[[str, str], Mapping[str, Any]]
"""(token, issuer): the claims of a status list token that this issuer signed; raises `GuardError`."""
log = logging.getLogger(__name__)
_MOST_EARLY = 100_000
"""So many indexes are remembered of lists that no token pointed into yet; beyond them the oldest lists are left to be fetched."""


def fetch_list(uri: str, limits: Limits, etag: str | None) -> Fetched:
    """One list; `body` is None when the one with this ETag is still right. Raises `FetchError`."""
    return get(uri, limits, accept=MEDIA_TYPE, etag=etag)


@dataclass(frozen=True, slots=True)
class StatusPolicy:
    """How lists are kept; durations in seconds. A list is fresh for its `ttl` within `min_ttl` and `max_ttl`, else for `default_ttl`.

    `on_stale` is the rule of operations that have none of their own. `max_list_bytes` bounds a list when unpacked, `max_lists` how many
    are kept.
    """

    on_stale: OnStale = "allow"
    min_ttl: float = 1
    max_ttl: float = 3600
    default_ttl: float = 60
    refresh_ahead: float = 0.8
    retry_interval: float = 1
    skew: float = 10
    max_list_bytes: int = 2 * 1024 * 1024
    max_lists: int = 1024
    limits: Limits = field(default_factory=lambda: Limits(max_bytes=4 * 1024 * 1024))
    fetch: FetchList = fetch_list


@dataclass(frozen=True, slots=True)
class _Snapshot:
    list: StatusList
    etag: str | None
    refresh_at: float
    fresh_until: float


class _Kept:
    """One list as this process has it.

    `hints` counts how often it was said to have changed, so that an answer that was asked for earlier is not believed; `marked` are the
    indexes that were said to be invalid since, or before there was a list.
    """

    __slots__ = ("attempted_at", "failed", "flight", "hints", "issuer", "marked", "snapshot", "uri")

    def __init__(
        self, uri: str, issuer: str, marked: frozenset[int], fetch: Callable[[_Kept], None], seconds_left: SecondsLeft
    ) -> None:
        self.uri = uri
        self.issuer = issuer
        self.flight = Flight("status-list", lambda: fetch(self), away=Check.STATUS_AWAY, seconds_left=seconds_left)
        self.hints = 0
        self.marked = marked
        self.snapshot: _Snapshot | None = None
        self.failed = False
        self.attempted_at = 0.0


@dataclass(frozen=True, slots=True)
class ListsState:
    """For metrics and readiness: lists kept and how many of them are fresh; fetches, failures, and tokens let through unchecked."""

    kept: int
    fresh: int
    fetches: int
    failures: int
    unchecked: int


class StatusLists:
    """Checks tokens against the lists of their issuers. `generation` rises when a list changes."""

    def __init__(
        self, policy: StatusPolicy, *, verify: Verify, now: Callable[[], float], seconds_left: SecondsLeft = forever
    ) -> None:
        self._policy = policy
        self._verify = verify
        self._now = now
        self._left = seconds_left
        self._lists: OrderedDict[str, _Kept] = OrderedDict()
        self._early: OrderedDict[str, set[int]] = OrderedDict()
        self._changing = Lock()
        self._fetches = self._failures = self._unchecked = 0
        self.generation = 0
        survive_forks(self)

    def check(self, reference: StatusReference, issuer: str, on_stale: OnStale | None = None) -> None:
        """Raise 401 for a token that is revoked or suspended, 503 where nobody can tell and the rule is to deny."""
        deny = (on_stale or self._policy.on_stale) == "deny"
        kept = self._lists.get(reference.uri) or self._add(reference.uri, issuer)
        snapshot = self._current(kept, must=deny)
        if deny and self._is_stale(snapshot) and not kept.failed:
            snapshot = self._current(kept, must=deny)  # it was said to have changed while it was fetched
        if deny and self._is_stale(snapshot):
            raise cannot_know(Check.STATUS_AWAY, "there is no fresh status list", retry_after=1)
        if snapshot is None:
            if reference.index in kept.marked:
                raise invalid_token(Check.STATUS, "the token was told to be invalid")
            self._unchecked += 1
            return
        try:
            status = snapshot.list.status(reference.index)
        except IndexError:
            raise invalid_token(Check.STATUS, "the status list has no such index") from None
        if status != VALID:
            raise invalid_token(Check.STATUS, f"the status of the token is {status}")

    def changed(self, uri: str | None = None, indexes: Iterable[int] = ()) -> None:
        """A hint that a list has changed, or all have: it is stale now, and these indexes of it are invalid at once.

        What is known of a list already is no news; what is told of one that no token pointed into yet is remembered until one does.
        """
        marked = frozenset(indexes)
        with self._changing:
            if uri is not None and uri not in self._lists and marked:
                self._remember(uri, marked)
            for kept in self._lists.values():
                if uri in (None, kept.uri):
                    _hint(kept, marked)
        self.generation += 1

    def accept(self, token: str, uri: str, issuer: str) -> None:
        """Take over a list that was pushed, as if it had been fetched now; raises `GuardError`."""
        kept = self._lists.get(uri) or self._add(uri, issuer)
        with kept.flight.alone():
            try:
                self._land(kept, Fetched(token.encode("ascii", "replace")), self._now(), kept.hints)
            except StatusListError as error:
                raise invalid_token(Check.STATUS, f"the pushed status list is not good: {error}") from error
            kept.flight.landings += 1

    def state(self) -> ListsState:
        """How it stands with the lists."""
        now = self._now()
        snapshots = [kept.snapshot for kept in list(self._lists.values())]
        fresh = sum(1 for snapshot in snapshots if snapshot is not None and now < snapshot.fresh_until)
        return ListsState(len(snapshots), fresh, self._fetches, self._failures, self._unchecked)

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._changing = Lock()

    def _remember(self, uri: str, marked: frozenset[int]) -> None:
        self._early.setdefault(uri, set()).update(marked)
        while sum(map(len, self._early.values())) > _MOST_EARLY or len(self._early) > self._policy.max_lists:
            self._early.popitem(last=False)

    def _add(self, uri: str, issuer: str) -> _Kept:
        with self._changing:
            if uri not in self._lists:
                marked = frozenset(self._early.pop(uri, ()))
                self._lists[uri] = _Kept(uri, issuer, marked, self._refresh, self._left)
            kept = self._lists[uri]
            while len(self._lists) > self._policy.max_lists:
                self._lists.popitem(last=False)
            return kept

    def _is_stale(self, snapshot: _Snapshot | None) -> bool:
        return snapshot is None or self._now() >= snapshot.fresh_until

    def _current(self, kept: _Kept, *, must: bool) -> _Snapshot | None:
        """The list as well as it can be had. After a failure only those who must have it wait for the next try."""
        landings, snapshot, now = kept.flight.landings, kept.snapshot, self._now()
        may_try = now - kept.attempted_at >= self._policy.retry_interval
        if snapshot is None or now >= snapshot.fresh_until:
            if not kept.failed or (must and may_try):
                kept.flight.outcome(landings)
            elif may_try:
                kept.flight.ahead()
            return kept.snapshot
        if now >= snapshot.refresh_at and may_try:
            kept.flight.ahead()
        return snapshot

    def _refresh(self, kept: _Kept) -> None:
        kept.attempted_at, hints, self._fetches = self._now(), kept.hints, self._fetches + 1
        try:
            etag = kept.snapshot.etag if kept.snapshot else None
            fetched = self._policy.fetch(kept.uri, self._policy.limits, etag)
            self._land(kept, fetched, kept.attempted_at, hints)
        except Exception as error:  # whatever the other side sends
            kept.failed, self._failures = True, self._failures + 1
            log.warning("the status list %s cannot be fetched: %s", kept.uri, error)

    def _land(self, kept: _Kept, fetched: Fetched, asked_at: float, hints: int) -> None:
        old = kept.snapshot
        if fetched.body is None:
            if old is None:
                raise FetchError("not modified, but we have none")
            new, etag = old.list, old.etag
        else:
            new, etag = self._read(kept, fetched.body), fetched.etag
        if old is not None and new.issued_at < old.list.issued_at:
            raise StatusListError("it is older than the one we have")
        with self._changing:
            is_news = kept.hints == hints
            if is_news:
                kept.marked = frozenset()
            new = new.with_invalid(kept.marked) if kept.marked else new
            kept.snapshot, kept.failed = self._snapshot(new, etag, asked_at, is_news=is_news), False
        if old is None or old.list.octets != new.octets:
            self.generation += 1

    def _read(self, kept: _Kept, body: bytes) -> StatusList:
        claims = self._verify(body.decode("ascii", "replace").strip(), kept.issuer)
        policy = self._policy
        return read_status_list(
            claims=claims, uri=kept.uri, now=self._now(), skew=policy.skew, max_bytes=policy.max_list_bytes
        )

    def _snapshot(self, new: StatusList, etag: str | None, asked_at: float, *, is_news: bool) -> _Snapshot:
        policy = self._policy
        ttl = min(max(new.ttl or policy.default_ttl, policy.min_ttl), policy.max_ttl)
        ahead = ttl * policy.refresh_ahead * random.uniform(0.95, 1.05)  # noqa: S311 - spreads fetches, no secret
        ends = asked_at + ttl if new.expires_at is None else min(asked_at + ttl, new.expires_at)
        return _Snapshot(new, etag, asked_at + ahead, ends if is_news else 0.0)


def _hint(kept: _Kept, marked: frozenset[int]) -> None:
    """Note that a list has changed, unless it says already what is said to have changed."""
    snapshot = kept.snapshot
    if marked and snapshot is not None and snapshot.list.has_invalid(marked):
        return
    kept.hints, kept.failed, kept.marked = kept.hints + 1, False, kept.marked | marked
    if snapshot is not None:
        kept.snapshot = replace(snapshot, list=snapshot.list.with_invalid(marked), fresh_until=0.0)
