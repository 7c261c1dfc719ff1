"""Waits that grow: so many wrong answers in a window, then a wait; each further wait is twice as long, and half as many answers bring it.

An answer is counted before it is looked at, in one transaction for all it is counted under, so that answers at once cannot outrun a limit.
Who waits is not counted: asking again makes no wait longer. Only a keyed hash of what is counted is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Protocol

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import TooManyRequests
from idp.platform.db import Database, insert_or_ignore
from idp.platform.jsontext import shallow
from idp.platform.models import ThrottleRow
from idp.platform.secrets import MasterKey

LINES = 5
"""A network may do as much as so many of its lines, where nothing else is said."""
_PREFIXES = {4: (32, 24), 6: (64, 48)}
"""How many bits of an address tell one line from another, and one network from another: whoever has IPv6 has 64 bits to themselves."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What is kept under one key. Times are epoch seconds: when the window began, until when to wait (0: no wait), when all is forgotten."""

    count: int = 0
    strikes: int = 0
    began_at: int = 0
    wait_until: int = 0
    forget_at: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How waits grow: the first lasts a `window`, each further one twice the one before, none more than `longest` (seconds)."""

    window: int
    longest: int

    def allowed(self, most: int, strikes: int) -> int:
        """How many answers bring the next wait, after so many waits."""
        return max(1, most >> strikes)

    def counted(self, tally: Tally, most: int, now: int) -> Tally:
        """One more answer; nobody waits at this moment."""
        if now >= tally.forget_at:
            tally = Tally(began_at=now)
        elif now >= max(tally.began_at + self.window, tally.wait_until):
            tally = Tally(strikes=tally.strikes, began_at=now)
        tally = replace(tally, count=tally.count + 1)
        if tally.count >= self.allowed(most, tally.strikes):
            wait = min(self.window << min(tally.strikes, 32), max(self.window, self.longest))
            tally = replace(tally, strikes=tally.strikes + 1, wait_until=now + wait)
        return self._remembered(tally)

    def given_back(self, tally: Tally, most: int, began_at: int) -> Tally:
        """One answer less, of the window that began then; with it goes the wait that it brought."""
        if tally.began_at != began_at or not tally.count:
            return tally
        tally = replace(tally, count=tally.count - 1)
        if tally.wait_until and tally.count < self.allowed(most, tally.strikes - 1):
            tally = replace(tally, strikes=tally.strikes - 1, wait_until=0)
        return self._remembered(tally)

    def _remembered(self, tally: Tally) -> Tally:
        over = max(tally.began_at + self.window, tally.wait_until)
        return replace(tally, forget_at=over + (max(self.window, self.longest) if tally.strikes else 0))


class Tallies(Protocol):
    """Where tallies are kept, by opaque keys, each with the most answers in its window. Every method is atomic over all its keys."""

    def count(self, most: Mapping[str, int], pace: Pace, now: int) -> Mapping[str, int]:
        """Count an answer under all keys; returns when each window began. Raises `TooManyRequests`, nothing counted, where one waits."""
        ...

    def give_back(
        self, most: Mapping[str, int], pace: Pace, began: Mapping[str, int], *, forget: Sequence[str] = ()
    ) -> None:
        """Take an answer back under all keys, and begin anew under those to forget."""
        ...

    def forgetting(self, keys: Collection[str]) -> Callable[[sa.Connection], None] | None:
        """What begins anew under these keys within a transaction; None where they are not kept in the database."""
        ...


_KEYS: sa.BindParameter[str] = sa.bindparam("keys", expanding=True, type_=sa.String)
_FIELDS = (
    ThrottleRow.count,
    ThrottleRow.strikes,
    ThrottleRow.began_at,
    ThrottleRow.wait_until,
    ThrottleRow.forget_at,
)
_HELD = (
    sa.select(ThrottleRow.key, *_FIELDS).where(ThrottleRow.key.in_(_KEYS)).order_by(ThrottleRow.key).with_for_update()
)
_KEEP = (
    sa.update(ThrottleRow)
    .where(ThrottleRow.key == sa.bindparam("name"))
    .values({name: sa.bindparam(f"new_{name}") for name in asdict(Tally())})
)
_FORGET = sa.delete(ThrottleRow).where(ThrottleRow.key == sa.bindparam("gone"))


class DatabaseTallies:
    """Tallies in the table `throttles`. Keys are touched in their order, so that nobody waits for one another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, most: Mapping[str, int], pace: Pace, now: int) -> Mapping[str, int]:
        with self._database.write(durable=False) as tx:
            first = {key: tally for key in sorted(most) if (tally := _first(tx, key, pace, most[key], now))}
            held = _held(tx, sorted(most.keys() - first.keys()))
            waits = max((tally.wait_until for tally in held.values()), default=0) - now
            if waits > 0:
                raise TooManyRequests(waits)
            further = {key: pace.counted(tally, most[key], now) for key, tally in held.items()}
            _keep(tx, further)
        return {key: tally.began_at for key, tally in (first | further).items()}

    def give_back(
        self, most: Mapping[str, int], pace: Pace, began: Mapping[str, int], *, forget: Sequence[str] = ()
    ) -> None:
        with self._database.write(durable=False) as tx:
            held = _held(tx, sorted({*most, *forget}) if most else ())
            if forget:
                _forget(tx, forget)
            shared = {key: tally for key, tally in held.items() if key in most}
            _keep(tx, {key: pace.given_back(tally, most[key], began.get(key, -1)) for key, tally in shared.items()})

    def forgetting(self, keys: Collection[str]) -> Callable[[sa.Connection], None]:
        return lambda tx: _forget(tx, keys)


def _forget(tx: sa.Connection, keys: Collection[str]) -> None:
    tx.execute(_FORGET, [{"gone": key} for key in sorted(keys)])


def _first(tx: sa.Connection, key: str, pace: Pace, most: int, now: int) -> Tally | None:
    """The first answer under this key; None where it is not the first."""
    tally = pace.counted(Tally(), most, now)
    return tally if insert_or_ignore(tx, ThrottleRow, {"key": key, **shallow(tally)}) else None


def _held(tx: sa.Connection, keys: Sequence[str]) -> dict[str, Tally]:
    if not keys:
        return {}
    return {key: Tally(*fields) for key, *fields in tx.execute(_HELD, {"keys": keys}).all()}


def _keep(tx: sa.Connection, tallies: Mapping[str, Tally]) -> None:
    if tallies:
        named = [{f"new_{name}": value for name, value in shallow(tally).items()} for tally in tallies.values()]
        tx.execute(_KEEP, [{"name": key, **values} for key, values in zip(tallies, named, strict=True)])


@dataclass(frozen=True, slots=True)
class Bound:
    """One thing that an answer is counted under: at most `most` in a window. A right answer clears what is one's `own`, and nothing shared."""

    name: str
    key: str
    most: int
    own: bool = False


class Answer:
    """An answer that was counted; it is wrong until it is said to be right. `forgetting` is what makes it so within a transaction, if anything."""

    def __init__(self, forgetting: Callable[[sa.Connection], None] | None) -> None:
        self.is_right = False
        self._forgetting = forgetting

    def right(self) -> None:
        """It was right: what was one's own is forgotten, what is shared is as if there had been no answer."""
        self.is_right = True

    def right_with(self) -> Callable[[sa.Connection], bool] | None:
        """The same, by what is returned, within the transaction that a right answer leads to: one write less. None where it is done at once."""
        forgetting = self._forgetting
        if forgetting is None:
            self.right()
            return None

        def forget(tx: sa.Connection) -> bool:
            forgetting(tx)
            return True

        return forget


class Throttle:
    """Counts answers under several bounds at once."""

    def __init__(self, tallies: Tallies, master: MasterKey, clock: Clock, *, window: int, longest: int) -> None:
        self._tallies = tallies
        self._master = master
        self._clock = clock
        self._pace = Pace(window, longest)
        self._changed: Mapping[str, int] = {}

    def change(self, most: Mapping[str, int]) -> None:
        """From now on these count, by the names of bounds, instead of what is asked for."""
        self._changed = most

    def take(self, bounds: Sequence[Bound]) -> None:
        """Count what can be neither right nor wrong, as a letter that is asked for; raises `TooManyRequests` while one of the bounds waits."""
        self._tallies.count(self._most(self._keys(bounds)), self._pace, self._clock.now())

    @contextmanager
    def answer(self, bounds: Sequence[Bound]) -> Iterator[Answer]:
        """Count an answer, then look at it within the block; raises `TooManyRequests` while one of the bounds waits.

        An answer that an error kept from being looked at does not count.
        """
        keys = self._keys(bounds)
        most = self._most(keys)
        began = self._tallies.count(most, self._pace, self._clock.now())
        own = [key for key, bound in keys.items() if bound.own]
        shared = {key: most[key] for key, bound in keys.items() if not bound.own}
        answer = Answer(None if shared else self._tallies.forgetting(own))
        try:
            yield answer
        except Exception:
            self._tallies.give_back(most, self._pace, began)
            raise
        if answer.is_right:
            self._tallies.give_back(shared, self._pace, began, forget=own)

    def _keys(self, bounds: Sequence[Bound]) -> dict[str, Bound]:
        return {self._master.tag(f"{bound.name}|{bound.key}", purpose="throttle"): bound for bound in bounds}

    def _most(self, keys: Mapping[str, Bound]) -> dict[str, int]:
        return {key: self._changed.get(bound.name, bound.most) for key, bound in keys.items()}


def line_of(peer: str) -> str:
    """Where a visitor comes from: an IPv4 address, or the 64 bits of an IPv6 address that are a home's."""
    return _within(peer, 0)


def network_of(peer: str) -> str:
    """The network around it: 24 bits of an IPv4 address, 48 of an IPv6 address."""
    return _within(peer, 1)


def _within(peer: str, wider: int) -> str:
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    mapped = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network((mapped, _PREFIXES[mapped.version][wider]), strict=False))


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove what is forgotten; returns how many."""
    over = sa.select(ThrottleRow.key).where(ThrottleRow.forget_at <= now).limit(limit)
    return tx.execute(sa.delete(ThrottleRow).where(ThrottleRow.key.in_(over), ThrottleRow.forget_at <= now)).rowcount
