"""Who asks for a login, and what for: filled by the protocol floor, which this room does not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
from flask import Response

from idp.users.people import BrowserSession


@dataclass(frozen=True, slots=True)
class LoginContext:
    """What the login pages show and must reach. `flow` is the id of the waiting request; the URLs lead back to it.

    `resume_url` is where the browser goes once the person is logged in; `cancel_url` receives a POST that gives up; None where there is nothing to
    go back to.
    `methods` are the login methods the asker allows, in order, empty for all; `second_factor`: it needs two factors whoever it is.
    `wanted_acr` and `max_age` (seconds) are what the login must reach.
    `choosing`: the person is to choose among the accounts in this browser; `beside`: a new login leaves those where they are.
    `waiting` is what the asker knows of the request, for itself alone.
    """

    flow: str
    resume_url: str
    cancel_url: str | None
    asker_name: str
    asker_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    login_hint: str | None = None
    expected_subs: tuple[str, ...] = ()
    wanted_acr: str | None = None
    max_age: int | None = None
    methods: tuple[str, ...] = ()
    second_factor: bool = False
    choosing: bool = False
    beside: bool = False
    waiting: object = None


class OtherWay(Protocol):
    """Somebody else to log in with: `name` stands in the URL, `title` on the button; `welcomes_strangers`: an account may be made of one there."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def welcomes_strangers(self) -> bool: ...


def purpose(context: LoginContext | None) -> str:
    """What the forms of a login page prove to be for."""
    return f"login {context.flow}" if context else "login"


FindContext = Callable[[str, str], LoginContext | None]
"""(flow id, the browser's flow secret) -> who asks; None when there is no such waiting request in this browser."""

Onward = Callable[[str], Response]
"""The cookie of the new session -> the answer to the request that waited for it."""


class Asker(Protocol):
    """Who asks for logins, told of each in the transaction that opens its session."""

    def logged_in(self, tx: sa.Connection, context: LoginContext, session: BrowserSession) -> None:
        """A person has just logged in for this request, which goes on from its `resume_url`."""
        ...

    def answer(self, tx: sa.Connection, context: LoginContext, session: BrowserSession) -> Onward | None:
        """The same, where nothing else has to be asked: the request is answered with the login. None, and nothing is written, where it cannot be."""
        ...
