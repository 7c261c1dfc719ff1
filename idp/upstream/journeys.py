"""A browser on its way to a provider and back: ten minutes, bound to the browser, used once.

Nothing secret is stored: `state` by its digest; the nonce and the PKCE verifier are keyed tags of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import Database
from idp.platform.ids import digest, new_secret
from idp.platform.secrets import MasterKey
from idp.upstream.models import UpstreamJourneyRow

LIFE = 600
_ANSWER = "upstream-answer"
_GOING = (
    UpstreamJourneyRow.digest == sa.bindparam("presented"),
    UpstreamJourneyRow.provider == sa.bindparam("there"),
    UpstreamJourneyRow.expires_at > sa.bindparam("now"),
)
_TAKE = (
    sa.delete(UpstreamJourneyRow)
    .where(*_GOING, UpstreamJourneyRow.browser == sa.bindparam("owner"))
    .returning(UpstreamJourneyRow.flow, UpstreamJourneyRow.sub, UpstreamJourneyRow.answer)
)
_ANSWERED = (
    sa.update(UpstreamJourneyRow)
    .where(*_GOING, UpstreamJourneyRow.answer.is_(None))
    .values(answer=sa.bindparam("sealed"))
)


@dataclass(frozen=True, slots=True)
class Journey:
    """What a browser comes back for: the waiting request `flow`, if any, or a link to the account of `sub`; and what a POST brought before."""

    flow: str | None
    sub: str | None
    answer: Mapping[str, str] | None


class Journeys:
    """Begins and ends them."""

    def __init__(self, database: Database, clock: Clock, master: MasterKey) -> None:
        self._database = database
        self._clock = clock
        self._master = master

    def begin(self, provider: str, browser: str, *, flow: str | None, sub: str | None) -> str:
        """Let this browser go; returns the `state` it comes back with."""
        state = new_secret()
        values = {
            "digest": digest(state),
            "browser": digest(browser),
            "provider": provider,
            "flow": flow,
            "sub": sub,
            "answer": None,
            "expires_at": self._clock.now() + LIFE,
        }
        with self._database.write(durable=False) as tx:
            tx.execute(sa.insert(UpstreamJourneyRow), values)
        return state

    def answered(self, provider: str, state: str, answer: Mapping[str, str]) -> bool:
        """Keep what a cross-site POST brought, the first time; False when nobody is on such a way."""
        sealed = self._master.seal(json.dumps(dict(answer)).encode(), purpose=_ANSWER)
        with self._database.write(durable=False) as tx:
            return tx.execute(_ANSWERED, {**self._going(provider, state), "sealed": sealed}).rowcount == 1

    def end(self, provider: str, state: str, browser: str) -> Journey | None:
        """Use it up; of any number at once exactly one gets it, and only in the browser that left."""
        with self._database.write(durable=False) as tx:
            row = tx.execute(_TAKE, {**self._going(provider, state), "owner": digest(browser)}).one_or_none()
        if row is None:
            return None
        answer = None if row.answer is None else json.loads(self._master.unseal(row.answer, purpose=_ANSWER))
        return Journey(row.flow, row.sub, answer)

    def nonce(self, state: str) -> str:
        """What the ID token must carry (OpenID Connect Core §3.1.2.1)."""
        return self._master.tag(state, purpose="upstream-nonce")

    def verifier(self, state: str) -> str:
        """The PKCE verifier (RFC 7636 §4.1)."""
        return self._master.tag(state, purpose="upstream-verifier")

    def _going(self, provider: str, state: str) -> dict[str, str | int]:
        return {"presented": digest(state), "there": provider, "now": self._clock.now()}


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget browsers that never came back; returns how many."""
    over = sa.select(UpstreamJourneyRow.digest).where(UpstreamJourneyRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(UpstreamJourneyRow).where(UpstreamJourneyRow.digest.in_(over))).rowcount
