"""What every account page shares: somebody is signed in, and for what is sensitive they proved themselves a moment ago.

Who must sign in first comes back to the page by its name, never by a URL out of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from flask import Blueprint, Response, request

from idp.clock import Clock
from idp.marked import N_
from idp.platform import i18n
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.login.context import LoginContext
from idp.users.people import BrowserSession, Person
from idp.users.sessions import Sessions

FRESH_SECONDS = 300
_PREFIX = "account."
NAVIGATION = (
    ("overview", N_("Overview")),
    ("profile", N_("Profile")),
    ("email", N_("E-mail")),
    ("password", N_("Password")),
    ("security", N_("Security")),
    ("linked", N_("Linked accounts")),
    ("sessions", N_("Sessions")),
    ("apps", N_("Apps")),
    ("access", N_("Access")),
    ("activity", N_("Activity")),
    ("data", N_("Your data")),
)
"""The places that every account page leads to, in this order, with their names."""
_WITHIN = {"passkey": "security", "email-change": "email", "close": "data"}
"""The places that belong to another one."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One entry of the navigation."""

    url: str
    title: str
    current: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at a page: the person, their session, and the cookie that proves it."""

    person: Person
    session: BrowserSession
    cookie: str


@dataclass(frozen=True, slots=True)
class AccountFrame:
    """Recognises visitors; `places` are the pages a login can lead back to, by name."""

    pages: Pages
    accounts: Accounts
    sessions: Sessions
    clock: Clock
    places: Mapping[str, str]

    def find_context(self, flow: str) -> LoginContext | None:
        """The account pages as somebody who asks for a login; None when the flow is not one of theirs."""
        place = self.places.get(self.place_of(flow) or "")
        return None if place is None else LoginContext(flow, self.pages.url(place), None, i18n.gettext("your account"))

    @staticmethod
    def place_of(flow: str) -> str | None:
        """The name of the page that a flow leads back to; None when it is none of ours."""
        return flow.removeprefix(_PREFIX) if flow.startswith(_PREFIX) else None

    def visit(self) -> Visit | None:
        """The visitor; None when nobody is signed in."""
        cookie = self.pages.cookie(request, web.SESSION)
        session = self.sessions.find(cookie)
        person = self.accounts.find(session.sub) if session else None
        if not (person and session and cookie):
            return None
        i18n.hear_person(person.claims.get("locale"))
        return Visit(person, session, cookie)

    def is_fresh(self, visit: Visit) -> bool:
        """Whether the visitor proved themselves within the last five minutes."""
        return self.clock.now() - visit.session.auth_time <= FRESH_SECONDS

    def sign_in(self, place: str) -> Response:
        """Send the person to sign in, and back to this page."""
        response = self.pages.redirect(f"{self.pages.url('/login')}?flow={_PREFIX}{place}")
        return self.pages.keep_browser(request, response, self.pages.browser(request))

    def check(self, visit: Visit, purpose: str) -> None:
        """Raise `PageError` unless the posted form is ours, sent to this session for this purpose."""
        self.pages.check_form(visit.cookie, f"account {purpose}")

    def render(self, template: str, visit: Visit, purpose: str, status: int = 200, **context: Any) -> Response:
        """An account page with the proof its forms carry."""
        csrf = self.pages.csrf_token(visit.cookie, f"account {purpose}")
        own: dict[str, Any] = {"person": visit.person, "csrf": csrf, "place": purpose, "tabs": self._tabs(purpose)}
        return self.pages.render(template, status, **own, **context)

    def back(self, place: str) -> Response:
        """To a place, once what was posted is done."""
        return self.pages.redirect(self.pages.url(self.places[place]))

    def _tabs(self, purpose: str) -> list[Tab]:
        here = _WITHIN.get(purpose, purpose)
        return [
            Tab(self.pages.url(self.places[place]), title, place == here)
            for place, title in NAVIGATION
            if place in self.places
        ]


class Room(Protocol):
    """Some pages."""

    def blueprint(self) -> Blueprint: ...


class HasFrame(Protocol):
    """A room of account pages."""

    @property
    def frame(self) -> AccountFrame: ...


_Room = TypeVar("_Room", bound=HasFrame)
_P = ParamSpec("_P")


def signed_in(
    place: str, *, fresh: bool = False
) -> Callable[[Callable[Concatenate[_Room, Visit, _P], Response]], Callable[Concatenate[_Room, _P], Response]]:
    """Hands a view its visitor. A posted form is checked to be ours; with `fresh` the person must have signed in a moment ago."""

    def wrap(view: Callable[Concatenate[_Room, Visit, _P], Response]) -> Callable[Concatenate[_Room, _P], Response]:
        @wraps(view)
        def wrapped(room: _Room, /, *arguments: _P.args, **named: _P.kwargs) -> Response:
            visit = room.frame.visit()
            if visit is None or (fresh and not room.frame.is_fresh(visit)):
                return room.frame.sign_in(place)
            if request.method == "POST":
                room.frame.check(visit, place)
            return view(room, visit, *arguments, **named)

        return wrapped

    return wrap
