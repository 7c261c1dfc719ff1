"""Whether details that are asked for now lie within those that were granted (RFC 9396 §6): pure functions.

The rule for every type: each entry asked for is one that was granted, with the same members. Its lists of locations, actions, datatypes and
privileges may have fewer members, numbers that the type declares as maximums may be smaller, and everything else is equal. No granted
entry is used twice: two payments of a granted sum are not one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from idp.oauth.details.entries import IDENTITY, Entry, invalid

Path = tuple[str, ...]
Maximums = Callable[[str], Sequence[Path]]
"""The paths of a type's maximums."""
_LISTS = frozenset({("locations",), ("actions",), ("datatypes",), ("privileges",)})


def narrowed(granted: Sequence[Entry], asked: Sequence[Entry], maximums: Maximums) -> tuple[Entry, ...]:
    """What is asked, when it lies within what was granted; raises `invalid_authorization_details` otherwise."""
    fitting = [
        [at for at, one in enumerate(granted) if is_within(_identified(entry, one), one, maximums(str(entry["type"])))]
        for entry in asked
    ]
    found = _matched(fitting)
    if found is None:
        raise invalid("authorization_details exceeds what was granted")
    return tuple(_identified(entry, granted[at]) for entry, at in zip(asked, found, strict=True))


def _identified(entry: Entry, granted: Entry) -> Entry:
    """The entry with the id of the one it is a part of, which a client need not repeat."""
    if IDENTITY in entry or IDENTITY not in granted:
        return entry
    return {**entry, IDENTITY: granted[IDENTITY]}


def is_within(asked: Any, granted: Any, maximums: Sequence[Path], at: Path = ()) -> bool:
    """Whether one value allows no more than another; `at` is where both stand in their entries."""
    if at in maximums:
        return _is_number(asked) and _is_number(granted) and asked <= granted
    if at in _LISTS and isinstance(asked, list) and isinstance(granted, list):
        return bool(asked) and all(one in granted for one in asked)
    if isinstance(asked, dict) and isinstance(granted, dict):
        return asked.keys() == granted.keys() and all(
            is_within(asked[name], granted[name], maximums, (*at, name)) for name in asked
        )
    return _canonical(asked) == _canonical(granted)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _canonical(value: Any) -> str:
    """Its JSON: unlike Python's `==` it tells `1`, `1.0` and `true` apart."""
    return json.dumps(value, sort_keys=True)


def _matched(fitting: Sequence[Sequence[int]]) -> list[int] | None:
    """One of those that fit for everybody, none given twice, if that can be: a matching, found by augmenting paths."""
    given: dict[int, int] = {}

    def give(who: int, tried: set[int]) -> bool:
        for one in fitting[who]:
            if one not in tried:
                tried.add(one)
                if one not in given or give(given[one], tried):
                    given[one] = who
                    return True
        return False

    if not all(give(who, set()) for who in range(len(fitting))):
        return None
    return sorted(given, key=given.__getitem__)
