"""A new password for somebody who is signed in: every other session ends with its tokens, and this browser goes on in a new one."""

from __future__ import annotations

import sqlalchemy as sa

from idp.errors import Refused
from idp.marked import N_
from idp.platform.throttle import Bound, Throttle
from idp.users import store
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.people import BrowserSession, Person, Visitor
from idp.users.sessions import Sessions


class PasswordChange:
    """Looks at the current password, at most `tries` wrong ones before waits begin, and sets the new one."""

    def __init__(
        self, accounts: Accounts, sessions: Sessions, devices: Devices, throttle: Throttle, *, tries: int
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._devices = devices
        self._throttle = throttle
        self._tries = tries

    def proves(self, person: Person, password: str) -> bool:
        """Whether this is the current password; counted before it is looked at, raises `TooManyRequests`."""
        with self._throttle.answer([Bound("password-current", person.sub, self._tries, own=True)]) as answer:
            right = self._accounts.proves(person, password)
            if right:
                answer.right()
        return right

    def change(
        self, person: Person, session: BrowserSession, password: str, device: str | None, visitor: Visitor
    ) -> str:
        """Set it; returns the cookie of the session that goes on. Raises `Refused`, as `gone` when the session ended just now."""
        cookie = ""

        def still_here(tx: sa.Connection) -> None:
            store.has_password(tx, person.sub, hold=True)
            now = store.find(tx, person.sub)
            if now is None or now.version != person.version or not self._sessions.alive(tx, session.sid):
                raise Refused("gone", N_("you were signed out, or your account was changed"))

        def go_on(tx: sa.Connection, changed: Person) -> None:
            nonlocal cookie
            if device:
                self._devices.remember(tx, device, changed.sub)
            cookie = self._sessions.go_on(tx, session, visitor)

        self._accounts.set_password(person.sub, password, first=still_here, also=go_on)
        return cookie
