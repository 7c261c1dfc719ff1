"""A login that is under way: between one proof and the next it is kept here, bound to one browser, for ten minutes, and finished once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import Database
from idp.platform.ids import digest, new_secret
from idp.users.login.chain import Proven
from idp.users.models import LoginStepRow

LIFE = 600
_MINE = (
    LoginStepRow.digest == sa.bindparam("presented"),
    LoginStepRow.browser == sa.bindparam("owner"),
    LoginStepRow.expires_at > sa.bindparam("now"),
)
_INSERT = sa.insert(LoginStepRow)
_FIND = sa.select(LoginStepRow.__table__).where(*_MINE)
_FINISH = sa.delete(LoginStepRow).where(*_MINE)


@dataclass(frozen=True, slots=True)
class LoginStep:
    """What was proven so far (`amr`, RFC 8176), of whom, at which version of their account, and for which waiting request.

    `session` is the `sid` of the session that this adds to, where it is no new login.
    """

    id: str
    flow: str | None
    sub: str
    version: int
    amr: tuple[str, ...]
    session: str | None


class LoginSteps:
    """Keeps, finds and finishes. Ids are secrets; the browser proves itself by its flow cookie. Only digests are stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def save(self, browser: str, flow: str | None, proven: Proven) -> str | None:
        """Keep what was proven, used up in the same write; returns the id that the next page carries, None when it was used up before."""
        step = new_secret()
        values = {
            "digest": digest(step),
            "browser": digest(browser),
            "flow": flow,
            "sub": proven.person.sub,
            "version": proven.person.version,
            "amr": list(proven.amr),
            "session": proven.session,
            "expires_at": self._clock.now() + LIFE,
        }
        with self._database.write(durable=proven.last_step is not None) as tx:
            if proven.last_step is not None and not proven.last_step(tx):
                return None
            tx.execute(_INSERT, values)
        return step

    def find(self, step: str, browser: str | None) -> LoginStep | None:
        """The login under way in this browser."""
        if not browser:
            return None
        with self._database.read() as tx:
            row = tx.execute(_FIND, self._mine(step, browser)).one_or_none()
        return None if row is None else LoginStep(step, row.flow, row.sub, row.version, tuple(row.amr), row.session)

    def finish(self, tx: sa.Connection, step: str, browser: str) -> bool:
        """Use it up; of any number at once exactly one is told so."""
        return tx.execute(_FINISH, self._mine(step, browser)).rowcount == 1

    def _mine(self, step: str, browser: str) -> dict[str, str | int]:
        return {"presented": digest(step), "owner": digest(browser), "now": self._clock.now()}


def added(so_far: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """The `amr` of both proofs; `mfa` says that there was more than one (RFC 8176 §2)."""
    return tuple(dict.fromkeys((*so_far, *more, "mfa")))


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget logins nobody finished; returns how many."""
    over = sa.select(LoginStepRow.digest).where(LoginStepRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(LoginStepRow).where(LoginStepRow.digest.in_(over))).rowcount
