"""Signing in by mail: a letter with a link and a code, bound to the browser that asked, good once and for ten minutes.

Asking does the same for every address, known or not: a row and one job, which looks later. A row whose address is nobody's has no code, so
that every code is wrong there, and tells so in the same time.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform import i18n
from idp.platform.db import AnyRow, Database
from idp.platform.ids import digest, new_secret
from idp.platform.jobs import Jobs
from idp.platform.secrets import MasterKey
from idp.users import store
from idp.users.letters import Letters
from idp.users.models import EmailLoginRow
from idp.users.people import Person

KIND = "email-login"
_DIGITS = 8
_LIVING = EmailLoginRow.expires_at > sa.bindparam("now")
_MINE = (EmailLoginRow.id == sa.bindparam("asked"), EmailLoginRow.browser == sa.bindparam("owner"), _LIVING)
_COLUMNS = (
    EmailLoginRow.id,
    EmailLoginRow.browser,
    EmailLoginRow.flow,
    EmailLoginRow.code,
    EmailLoginRow.sub,
    EmailLoginRow.email,
)
_INSERT = sa.insert(EmailLoginRow)
_FIND = sa.select(*_COLUMNS).where(*_MINE)
_BY_LINK = sa.select(*_COLUMNS).where(EmailLoginRow.link == sa.bindparam("presented"), _LIVING)
_SENT = (
    sa.update(EmailLoginRow)
    .where(EmailLoginRow.id == sa.bindparam("asked"), _LIVING)
    .values(link=sa.bindparam("new_link"), code=sa.bindparam("new_code"), sub=sa.bindparam("owner_sub"))
    .values(email=sa.bindparam("address"))
)
_TRY = (
    sa.update(EmailLoginRow)
    .where(*_MINE, EmailLoginRow.tries < sa.bindparam("most"))
    .values(tries=EmailLoginRow.tries + 1)
    .returning(*_COLUMNS)
)
_FINISH = sa.delete(EmailLoginRow).where(EmailLoginRow.id == sa.bindparam("asked"), _LIVING)


@dataclass(frozen=True, slots=True)
class EmailLogin:
    """A login that waits for the click or the code: the digest it is known by, that of its browser, and for which waiting request it is."""

    id: str
    browser: str
    flow: str | None

    def is_of(self, browser: str | None) -> bool:
        """Whether it was asked for in this browser."""
        return browser is not None and hmac.compare_digest(self.browser, digest(browser))


@dataclass(frozen=True, slots=True)
class Owned(EmailLogin):
    """One that was proven to be this person's."""

    person: Person


class EmailLogins:
    """Sends letters and believes who brings what is in them; `tries` wrong codes a letter."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        master: MasterKey,
        jobs: Jobs,
        letters: Letters,
        *,
        life: int,
        tries: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._master = master
        self._jobs = jobs
        self._letters = letters
        self._life = life
        self._tries = tries
        jobs.register(KIND, self._send)

    def ask(self, browser: str, flow: str | None, email: str) -> str:
        """Somebody in this browser says that this is their address; returns the secret that the next page carries."""
        asked = new_secret()
        values = {"id": digest(asked), "browser": digest(browser), "flow": flow, "tries": 0}
        with self._database.write() as tx:
            tx.execute(_INSERT, {**values, "expires_at": self._clock.now() + self._life})
            self._jobs.enqueue(tx, KIND, {"id": values["id"], "email": email, "language": i18n.language().tag})
        return asked

    def find(self, asked: str, browser: str | None) -> EmailLogin | None:
        """The login that was asked for in this browser."""
        with self._database.read() as tx:
            row = tx.execute(_FIND, self._mine(asked, browser)).one_or_none()
        return None if row is None else EmailLogin(row.id, row.browser, row.flow)

    def by_link(self, secret: str) -> Owned | None:
        """Whose login this link is, in whichever browser it is looked at; looking does not use it."""
        with self._database.read() as tx:
            row = tx.execute(_BY_LINK, {"presented": digest(secret), "now": self._clock.now()}).one_or_none()
            return None if row is None else self._owned(tx, row)

    def by_code(self, asked: str, browser: str, code: str) -> Owned | None:
        """Whose login it is, when the code is right. Every try is counted before the code is looked at."""
        with self._database.write() as tx:
            row = tx.execute(_TRY, {**self._mine(asked, browser), "most": self._tries}).one_or_none()
            expected = (row.code if row else None) or ""
            given = self._tag(digest(asked), "".join(code.split()))
            if not hmac.compare_digest(expected, given) or row is None:
                return None
            return self._owned(tx, row)

    def finish(self, tx: sa.Connection, login: EmailLogin) -> bool:
        """Use it up, link and code; of any number at once exactly one is told so."""
        return tx.execute(_FINISH, {"asked": login.id, "now": self._clock.now()}).rowcount == 1

    @staticmethod
    def opens(tx: sa.Connection, sub: str) -> bool:
        """Whether this person can sign in by mail: they have shown that an address is theirs."""
        person = store.find(tx, sub)
        return person is not None and person.email is not None and person.email_verified

    def _send(self, payload: Mapping[str, Any]) -> None:
        with i18n.speaking(payload.get("language")), self._database.write() as tx:
            person = store.by_email(tx, payload["email"])
            if person is None or person.email is None or not person.email_verified or person.is_shut_out:
                return
            link, code = new_secret(), f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
            values = {"new_link": digest(link), "new_code": self._tag(payload["id"], code), "owner_sub": person.sub}
            sent = {"asked": payload["id"], "now": self._clock.now(), "address": person.email, **values}
            if tx.execute(_SENT, sent).rowcount:
                self._letters.sign_in(tx, person.email, person, link, code, self._life)

    @staticmethod
    def _owned(tx: sa.Connection, row: AnyRow) -> Owned | None:
        """None when the address the letter went to is no more the person's."""
        person = store.find(tx, row.sub)
        if person is None or person.is_shut_out or person.email != row.email:
            return None
        return Owned(row.id, row.browser, row.flow, person)

    def _tag(self, login: str, code: str) -> str:
        return self._master.tag(f"{login}|{code}", purpose="email-code")

    def _mine(self, asked: str, browser: str | None) -> dict[str, str | int]:
        return {"asked": digest(asked), "owner": digest(browser or ""), "now": self._clock.now()}


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget logins nobody finished; returns how many."""
    over = sa.select(EmailLoginRow.id).where(EmailLoginRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(EmailLoginRow).where(EmailLoginRow.id.in_(over))).rowcount
