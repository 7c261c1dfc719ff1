"""The chain of login methods: which there are, in which order they are offered, and what each proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from idp.users.people import Person

LEVELS = ("1fa", "2fa", "phr")
"""The values of `acr`, weakest first."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a method proved: who it is, and the `amr` values (RFC 8176) it adds."""

    person: Person
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One posted login form, with the browser's known-device secret and the peer's address."""

    fields: Mapping[str, str]
    device: str | None
    peer: str


class LoginMethod(Protocol):
    """One way to prove who one is. It answers None for every failure alike; a limit raises `TooManyRequests`."""

    name: str
    template: str

    def prove(self, attempt: Attempt) -> Proven | None: ...


class Chain:
    """The methods switched on, in order."""

    def __init__(self, methods: Sequence[LoginMethod]) -> None:
        self._methods = {method.name: method for method in methods}

    def first(self, allowed: Sequence[str]) -> LoginMethod:
        """The method a login begins with, among those the asker allows."""
        return next(self._methods[name] for name in (*allowed, *self._methods) if name in self._methods)


def level(amr: Sequence[str]) -> str:
    """The `acr` that these methods together reach."""
    return LEVELS[1] if "mfa" in amr else LEVELS[0]


def is_stronger(wanted: str | None) -> bool:
    """Whether an asker wants more than one factor."""
    return wanted in LEVELS[1:]
