"""Several people side by side in one browser: one of them is active, the others are set aside, each with a session of their own.

A session is proven by its own cookie alone: that of the active one, or its place in the cookie of those set aside. Nobody comes to be here
but by a login in this browser, and whoever signs out takes nobody else along.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flask import Response, request

from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.people import BrowserSession
from idp.users.sessions import Sessions

MOST = 5
"""How many can be set aside; of more the one used longest ago is forgotten here, and runs out."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One account in this browser: the cookie that proves it, its session, and whether that still lives."""

    cookie: str
    session: BrowserSession
    living: bool


@dataclass(frozen=True, slots=True)
class Seats:
    """Finds and moves those who sit in the browser of the running request."""

    pages: Pages
    sessions: Sessions
    accounts: Accounts

    def active(self) -> BrowserSession | None:
        """The living session of who is active."""
        return self.sessions.find(self.pages.cookie(request, web.SESSION))

    def aside(self) -> list[Seat]:
        """Who was set aside, latest first; also whose session ran out."""
        return self._seats(self.pages.aside(request))

    def all(self) -> list[Seat]:
        """Everybody here, who is active first."""
        active = self.pages.cookie(request, web.SESSION)
        return self._seats((*((active,) if active else ()), *self.pages.aside(request)))

    def meant(self, subs: Collection[str], login_hint: str | None) -> BrowserSession | None:
        """The session that a request is about: of one of these people, or of who is hinted at, where they are here; else the active one."""
        active = self.active()
        if not self.pages.aside(request):
            return active
        hinted = self.accounts.sub_of(login_hint) if login_hint and not subs else None
        wanted = {*subs, *((hinted,) if hinted else ())}
        if not wanted or (active is not None and active.sub in wanted):
            return active
        there = (seat.session for seat in self.aside() if seat.living and seat.session.sub in wanted)
        return next(there, active)

    def makes_room(self, sub: str, *, beside: bool) -> tuple[str | None, tuple[str, ...]]:
        """Before this person logs in: the cookie of the session that goes over into theirs, and whose stay.

        Without others set aside, and unless the login is to be `beside` who is here, it takes the place of who is active.
        """
        if not beside and not self.pages.aside(request):
            return self.pages.cookie(request, web.SESSION), ()
        seats = self.all()
        mine = next((seat.cookie for seat in seats if seat.session.sub == sub), None)
        return mine, tuple(seat.cookie for seat in seats if seat.session.sub != sub)[:MOST]

    def bring(self, response: Response, session: BrowserSession) -> None:
        """Make the person of this session the active one; who was it is set aside."""
        seats, active = self.all() if self.pages.aside(request) else [], self.pages.cookie(request, web.SESSION)
        for seat in seats:
            if seat.session.sid == session.sid and seat.cookie != active:
                others = tuple(other.cookie for other in seats if other is not seat)
                self.pages.keep_session(response, seat.cookie, others[:MOST])

    def leave(self, response: Response, gone: Collection[str]) -> None:
        """Take these cookies out of the browser, and those that prove nothing any more. Nobody takes the place of who was active."""
        active, stay = self.pages.cookie(request, web.SESSION), {seat.cookie for seat in self.all()} - set(gone)
        aside = tuple(cookie for cookie in self.pages.aside(request) if cookie in stay)
        if active is not None and active in stay:
            self.pages.keep_session(response, active, aside)
        else:
            self.pages.drop_session(response, aside)

    def _seats(self, cookies: Collection[str]) -> list[Seat]:
        found: dict[str, Seat] = {}
        for cookie in cookies:
            living = self.sessions.find(cookie)
            session = living or self.sessions.run_out(cookie)
            if session is not None:
                found.setdefault(session.sub, Seat(cookie, session, living is not None))
        return list(found.values())
