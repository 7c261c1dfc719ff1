"""The end of every login: a session, a remembered browser, and the way back to who asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from flask import Response, request

from idp.platform import pages as web
from idp.platform.db import Database
from idp.platform.ids import new_secret
from idp.platform.pages import Pages
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login.chain import LastStep, Proven, level
from idp.users.login.context import Asker, LoginContext, Onward
from idp.users.login.steps import LoginSteps
from idp.users.notices import Notice, Notices
from idp.users.people import BrowserSession
from idp.users.seats import Seats
from idp.users.sessions import Sessions
from idp.users.visitors import visitor_of

RETURN = "/login/return"


class _NotOpened(Exception):
    """Takes back what the last step wrote."""


@dataclass(frozen=True, slots=True)
class LoginOpener:
    """Opens sessions; `trust_seconds` is how long a browser is asked for no second factor, where its owner wants that."""

    pages: Pages
    database: Database
    accounts: Accounts
    sessions: Sessions
    seats: Seats
    devices: Devices
    notices: Notices
    steps: LoginSteps
    asker: Asker
    trust_seconds: int

    def open(
        self,
        context: LoginContext | None,
        proven: Proven,
        *,
        last_step: LastStep | None = None,
        trust: bool = False,
        arrive: Callable[[str], Response] | None = None,
    ) -> Response | None:
        """The answer to who asked, where it can be given at once; else the redirect back, or what `arrive` makes of the way back.

        None when the last step failed, or the person was disabled or got another password in this very moment. Who closed their account
        is asked whether they want to open it again.
        """
        if proven.person.may_return:
            return self._ask_to_return(context, proven, last_step)
        device = self.pages.cookie(request, web.DEVICE) or new_secret()
        previous, aside = self.seats.makes_room(proven.person.sub, beside=context is not None and context.beside)
        straight = arrive is None and not aside
        try:
            with self.database.write() as tx:
                first = self.accounts.logs_in_first(tx, proven.person)
                if not self._held_and_taken(tx, proven, last_step):
                    raise _NotOpened
                if not self.devices.remember(tx, device, proven.person.sub) and not first:
                    self.notices.tell(tx, proven.person, Notice.NEW_BROWSER, about=request.environ.get("idp.peer"))
                if trust:
                    self.devices.trust(tx, device, proven.person.sub, self.trust_seconds)
                cookie, onward = self._session(tx, context, proven, previous, straight=straight)
        except _NotOpened:
            return None
        back = context.resume_url if context else self.pages.home_url()
        response = onward(cookie) if onward else (arrive or self.pages.redirect)(back)
        self.pages.keep_session(response, cookie, aside)
        self.pages.set_cookie(response, web.DEVICE, device, max_age=web.device_age())
        return response

    def _ask_to_return(
        self, context: LoginContext | None, proven: Proven, last_step: LastStep | None
    ) -> Response | None:
        """Keep what was proven until the person has said whether they want their account back."""
        browser = self.pages.browser(request)

        def used_up(tx: sa.Connection) -> bool:
            return self._held_and_taken(tx, proven, last_step)

        step = self.steps.save(browser, context.flow if context else None, replace(proven, last_step=used_up))
        if step is None:
            return None
        response = self.pages.redirect(f"{self.pages.url(RETURN)}?step={step}")
        return self.pages.keep_browser(request, response, browser)

    def _held_and_taken(self, tx: sa.Connection, proven: Proven, last_step: LastStep | None) -> bool:
        """The person is locked before what they proved themselves with, as by everybody: two orders would wait for one another.

        With a step that takes something they are held alone: it may lock them, too, and of two who share them each would wait for the other.
        """
        steps = [step for step in (proven.last_step, last_step) if step is not None]
        return self.accounts.hold(tx, proven.person, alone=bool(steps)) and all(step(tx) for step in steps)

    def _session(
        self, tx: sa.Connection, context: LoginContext | None, proven: Proven, previous: str | None, *, straight: bool
    ) -> tuple[str, Onward | None]:
        """The cookie of the new session, and what answers who asked at once, where `straight` allows it."""
        since, onward = None, None
        if proven.session is not None:
            since = self.sessions.since(tx, proven.session, proven.person.sub)
            if since is None:  # signed out meanwhile: the proofs of then are worth nothing any more
                raise _NotOpened

        def also(session: BrowserSession) -> None:
            nonlocal onward
            if context is None or since is not None:
                return
            onward = self.asker.answer(tx, context, session) if straight else None
            if onward is None:
                self.asker.logged_in(tx, context, session)

        cookie = self.sessions.open(
            tx,
            proven.person.sub,
            acr=level(proven.amr),
            amr=proven.amr,
            previous=previous,
            visitor=visitor_of(request),
            auth_time=since,
            also=also,
        )
        return cookie, onward
