"""Sign-ups that wait for the proof of their address: a letter with a link and a code, good once and for a day.

Asking does the same for every address, known or not: a row and one job, which looks later. A free address gets the link and the code; one that
has an account gets a letter that says so, and its row has no code, so that every code is wrong there, and tells so in the same time.
Nothing that waits here holds a user name or an address: whoever proves theirs first gets it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.platform.ids import digest, new_secret
from idp.platform.jobs import Jobs
from idp.platform.secrets import MasterKey
from idp.platform.telemetry import Metrics
from idp.users import store
from idp.users.letters import Letters
from idp.users.links import LIVES, Purpose
from idp.users.models import SignUpRow
from idp.users.people import Person

KIND = "sign-up"
GONE = Refused("expired", N_("this sign-up is over: start again"))
_DIGITS = 8
_LIVING = SignUpRow.expires_at > sa.bindparam("now")
_NAMED = (SignUpRow.id == sa.bindparam("asked"), _LIVING)
_MINE = (*_NAMED, SignUpRow.browser == sa.bindparam("owner"))
_COLUMNS = (
    SignUpRow.id,
    SignUpRow.browser,
    SignUpRow.flow,
    SignUpRow.username,
    SignUpRow.email,
    SignUpRow.claims,
    SignUpRow.password,
)
_INSERT = sa.insert(SignUpRow)
_FIND = sa.select(*_COLUMNS).where(*_NAMED)
_FIND_MINE = sa.select(*_COLUMNS).where(*_MINE)
_BY_LINK = sa.select(*_COLUMNS).where(SignUpRow.link == sa.bindparam("presented"), _LIVING)
_SENT = (
    sa.update(SignUpRow)
    .where(*_NAMED)
    .values(link=sa.bindparam("new_link"), code=sa.bindparam("new_code"), tries=0)
    .returning(*_COLUMNS)
)
_TRY = (
    sa.update(SignUpRow)
    .where(*_MINE, SignUpRow.tries < sa.bindparam("most"))
    .values(tries=SignUpRow.tries + 1)
    .returning(SignUpRow.code)
)
_EXCHANGE = sa.update(SignUpRow).where(*_NAMED).values(link=sa.bindparam("new_link"), code=None)
_USE = sa.delete(SignUpRow).where(*_NAMED)


@dataclass(frozen=True, slots=True)
class SignUp:
    """Who would be: `password` is the hash of the one they chose in `browser` (a digest), None for who begins with a passkey."""

    id: str
    browser: str
    flow: str | None
    username: str
    email: str
    claims: Mapping[str, Any]
    password: str | None

    def is_of(self, browser: str | None) -> bool:
        """Whether it was begun in this browser."""
        return browser is not None and hmac.compare_digest(self.browser, digest(browser))


class SignUps:
    """Sends letters and believes who brings what is in them; `tries` wrong codes a letter."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        master: MasterKey,
        jobs: Jobs,
        letters: Letters,
        audit: Audit,
        metrics: Metrics,
        *,
        tries: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._master = master
        self._jobs = jobs
        self._letters = letters
        self._audit = audit
        self._metrics = metrics
        self._tries = tries
        jobs.register(KIND, self._send)

    def ask(self, browser: str, flow: str | None, person: Person, hashed: str | None) -> str:
        """Somebody in this browser wants to be this person; returns the secret that the next page carries."""
        asked = new_secret()
        values: dict[str, Any] = {
            "id": digest(asked),
            "browser": digest(browser),
            "flow": flow,
            "username": person.username,
            "email": person.email,
            "claims": dict(person.claims),
            "password": hashed,
            "tries": 0,
            "expires_at": self._clock.now() + LIVES[Purpose.VERIFY],
        }
        with self._database.write() as tx:
            tx.execute(_INSERT, values)
            self._write(tx, values["id"])
            self._audit.append(tx, "sign_up.begun", signup=values["id"])
        self._metrics.count("sign_ups", "begun")
        return asked

    def again(self, found: SignUp) -> None:
        """Another letter, which voids the earlier one."""
        with self._database.write() as tx:
            self._write(tx, found.id)
        self._metrics.count("sign_ups", "asked_again")

    def find(self, asked: str, browser: str | None) -> SignUp | None:
        """The sign-up that was begun in this browser."""
        with self._database.read() as tx:
            row = tx.execute(_FIND_MINE, self._mine(asked, browser)).one_or_none()
        return None if row is None else _signup(row)

    def by_link(self, secret: str) -> SignUp | None:
        """Whose address this link proves, in whichever browser it is looked at; looking does not use it."""
        with self._database.read() as tx:
            row = tx.execute(_BY_LINK, {"presented": digest(secret), "now": self._clock.now()}).one_or_none()
        return None if row is None else _signup(row)

    def exchange(self, asked: str, browser: str, code: str) -> str | None:
        """A link's secret for the right code, once. Every try is counted before the code is looked at."""
        with self._database.write() as tx:
            row = tx.execute(_TRY, {**self._mine(asked, browser), "most": self._tries}).one_or_none()
            expected = (row.code if row else None) or ""
            given = self._tag(digest(asked), "".join(code.split()))
            if not hmac.compare_digest(expected, given):
                return None
            secret = new_secret()
            tx.execute(_EXCHANGE, {**self._named(digest(asked)), "new_link": digest(secret)})
        return secret

    def use(self, tx: sa.Connection, found: SignUp) -> None:
        """Use it up for the account that is made of it; of any number at once one is let through, the others raise `Refused`."""
        if tx.execute(_USE, self._named(found.id)).rowcount != 1:
            raise GONE

    def note(self, tx: sa.Connection, found: SignUp, sub: str) -> None:
        """Note whose account is made of it."""
        self._audit.append(tx, "sign_up.finished", signup=found.id, sub=sub)

    def finished(self) -> None:
        """Count it, once the account is there."""
        self._metrics.count("sign_ups", "finished")

    def _write(self, tx: sa.Connection, asked: str) -> None:
        self._jobs.enqueue(tx, KIND, {"id": asked, "language": i18n.language().tag})

    def _send(self, payload: Mapping[str, Any]) -> None:
        with i18n.speaking(payload.get("language")), self._database.write() as tx:
            waiting = tx.execute(_FIND, self._named(payload["id"])).one_or_none()
            owner = store.by_email(tx, waiting.email) if waiting else None
            if owner is not None and owner.email is not None:
                self._letters.email_taken(tx, owner.email, owner)
                return
            link, code = new_secret(), f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
            sent = {"new_link": digest(link), "new_code": self._tag(payload["id"], code)}
            row = tx.execute(_SENT, {**self._named(payload["id"]), **sent}).one_or_none()
            if row is not None:
                self._letters.sign_up(tx, row.email, row.username, link, code)

    def _tag(self, asked: str, code: str) -> str:
        return self._master.tag(f"{asked} {code}", purpose="sign-up")

    def _named(self, asked: str) -> dict[str, str | int]:
        return {"asked": asked, "now": self._clock.now()}

    def _mine(self, asked: str, browser: str | None) -> dict[str, str | int]:
        return {**self._named(digest(asked)), "owner": digest(browser or "")}


def _signup(row: AnyRow) -> SignUp:
    return SignUp(row.id, row.browser, row.flow, row.username, row.email, row.claims, row.password)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget sign-ups that nobody finished; returns how many."""
    over = sa.select(SignUpRow.id).where(SignUpRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(SignUpRow).where(SignUpRow.id.in_(over))).rowcount
