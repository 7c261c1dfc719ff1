"""The chain of login methods: what each is given, what it proves, and how strong that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from idp.users.people import Person

LEVELS = ("1fa", "2fa", "phr")
"""The values of `acr`, weakest first: one factor, two, and two of which one cannot be phished."""
LastStep = Callable[[sa.Connection], bool]
"""What must happen in the very transaction that opens the session, or keeps what was proven for a second step; False when it did not, and then
there is neither."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a method proved: who it is, the `amr` values (RFC 8176) it adds, and what is written when it opens a session.

    `session` is the `sid` of the living session that this adds to; it keeps the time of its login.
    """

    person: Person
    amr: tuple[str, ...]
    last_step: LastStep | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One posted login form, with the browser's known-device secret, the peer's address, and the browser's secret of this login."""

    fields: Mapping[str, str]
    device: str | None
    peer: str
    browser: str = ""


class LoginMethod(Protocol):
    """One way to prove who one is. It answers None for every failure alike, told as `wrong`; a limit raises `TooManyRequests`."""

    name: str
    wrong: str

    def prove(self, attempt: Attempt) -> Proven | None: ...


def level(amr: Sequence[str]) -> str:
    """The `acr` that these methods together reach."""
    if "mfa" not in amr:
        return LEVELS[0]
    return LEVELS[2] if "pop" in amr else LEVELS[1]


def is_stronger(wanted: str | None) -> bool:
    """Whether an asker wants more than one factor."""
    return wanted in LEVELS[1:]
