"""People with everything that hangs on them, on one database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.secrets import MasterKey
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.passwords import PasswordHasher
from idp.users.people import BrowserSession, Change, Party, Person, PersonChanged, SessionEnded, Visitor
from idp.users.sessions import Sessions
from tests.support.clocks import ManualClock

MASTER = MasterKey(b"m" * 32)
PASSWORD = "correct horse 47 staple"
IDLE, ABSOLUTE = 3600, 86400
ENDS = {Change.DISABLED, Change.CLOSED, Change.DELETED, Change.PASSWORD_SET}


def hasher(**changes: Any) -> PasswordHasher:
    return PasswordHasher(**{"master": MASTER, "scheme": "bcrypt", "cost": 4, "workers": 2, "queue": 32, **changes})


class Town:
    """Accounts, sessions and devices; `told` is what receivers are told, `ended` which sessions ended."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.changes: list[Change] = []
        self.ended: list[str] = []
        self.told_of: dict[str, tuple[Party, ...]] = {}
        audit = Audit(clock)
        self.sessions = Sessions(
            database,
            clock,
            audit,
            [self._session_ended],
            idle_ttl=IDLE,
            absolute_ttl=ABSOLUTE,
        )
        self.devices = Devices(database, clock)
        self.passwords = hasher()
        self.accounts = Accounts(
            database,
            self.passwords,
            clock,
            audit,
            lambda _tx, type_, _sub, payload: self.told.append((type_, payload)),
            [self._changed],
            password_min_length=15,
        )

    def _session_ended(self, _tx: sa.Connection, ended: SessionEnded) -> None:
        self.ended.append(ended.session.sid)
        if ended.parties:
            self.told_of[ended.session.sid] = ended.parties

    def _changed(self, tx: sa.Connection, event: PersonChanged) -> None:
        self.changes.append(event.change)
        if event.change in ENDS:
            self.sessions.end_all(tx, event.person.sub)

    def person(self, name: str = "alice", password: str | None = PASSWORD, **more: Any) -> Person:
        return self.accounts.create(**{"username": name, "email": f"{name}@example.com", "password": password, **more})

    def authenticate(self, name: str, password: str) -> Person | None:
        return self.accounts.authenticate(self.accounts.credentials(name), password)

    def log_in(self, sub: str, previous: str | None = None) -> str:
        """A new session's cookie."""
        with self.database.write() as tx:
            return self.sessions.open(tx, sub, acr="1fa", amr=("pwd",), previous=previous, visitor=Visitor("127.0.0.1"))

    def session(self, cookie: str) -> BrowserSession:
        found = self.sessions.find(cookie)
        assert found is not None
        return found

    def remember(self, device: str, sub: str) -> None:
        with self.database.write() as tx:
            self.devices.remember(tx, device, sub)
