"""The account chooser: who is signed in in this browser, on top of the login page, and the click on one of them.

A click proves nothing that the session did not: whoever asked for a fresh or stronger login gets one after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.errors import PageError
from idp.platform import pages as web
from idp.platform.db import Database
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.login.context import FindContext, LoginContext, purpose
from idp.users.people import BrowserSession
from idp.users.seats import Seat, Seats

PATH = "/login/choose"
Chosen = Callable[[sa.Connection, LoginContext, BrowserSession], None]
"""Tells the waiting request which account a person has just chosen for it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An account as the chooser shows it; `living`: it is still signed in."""

    sid: str
    display: str
    about: str
    living: bool


@dataclass(frozen=True, slots=True)
class AccountChooser:
    """What the chooser needs."""

    pages: Pages
    database: Database
    accounts: Accounts
    seats: Seats
    find_context: FindContext
    chosen: Chosen

    def blueprint(self) -> Blueprint:
        """`/login/choose`."""
        rooms = Blueprint("chooser", __name__)
        rooms.add_url_rule(PATH, "choose", self.choose, methods=["POST"])
        return rooms

    def choices(self, context: LoginContext | None) -> list[Choice]:
        """Whom the login page lists: everybody where it is for choosing; else those set aside, while nobody is active."""
        if (context is not None and context.choosing) or (
            self.pages.aside(request) and (context is None or self.seats.active() is None)
        ):
            seats = self.seats.all()
        else:
            return []
        wanted = context.expected_subs if context else ()
        shown = [self._shown(seat) for seat in seats if not wanted or seat.session.sub in wanted]
        return [choice for choice in shown if choice is not None]

    def name_of(self, sid: str) -> str | None:
        """The user name of an account in this browser, to fill in."""
        found = next((seat for seat in self.seats.all() if seat.session.sid == sid), None)
        person = self.accounts.find(found.session.sub) if found else None
        return person.username if person else None

    def choose(self) -> Response:
        """Go on as this account; whose session ran out signs in again."""
        browser, flow = self.pages.cookie(request, web.FLOW), request.form.get("flow")
        context = self.find_context(flow, browser) if flow and browser else None
        if flow is not None and context is None:
            raise PageError("expired", "This login has expired. Go back to the app and start again.")
        self.pages.check_form(browser, purpose(context))
        sid = request.form.get("sid", "")
        seat = next((seat for seat in self.seats.all() if seat.session.sid == sid), None)
        if seat is None or not seat.living:
            return self._to_login(flow, seat)
        if context is not None:
            with self.database.write(durable=False) as tx:
                self.chosen(tx, context, seat.session)
        response = self.pages.redirect(context.resume_url if context else self.pages.home_url())
        self.seats.bring(response, seat.session)
        return response

    def _to_login(self, flow: str | None, seat: Seat | None) -> Response:
        named = {"flow": flow, "account": seat.session.sid if seat else None}
        query = "&".join(f"{name}={value}" for name, value in named.items() if value)
        return self.pages.redirect(self.pages.url("/login") + (f"?{query}" if query else ""))

    def _shown(self, seat: Seat) -> Choice | None:
        person = self.accounts.find(seat.session.sub)
        if person is None:
            return None
        display = str(person.claims.get("name") or person.username)
        return Choice(seat.session.sid, display, person.email or person.username, seat.living)
