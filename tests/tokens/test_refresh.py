"""Refresh tokens by family: one use, the very same answer within the window, and the end of the family after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from idp.platform.db import Database
from idp.tokens import store
from idp.tokens.models import RefreshTokenRow
from idp.tokens.refresh import Refreshed, RefreshTokens, Refusal
from idp.tokens.revocations import Revocations
from idp.tokens.store import Grants
from idp.tokens.values import Confirmation, Grant
from tests.support.clocks import ManualClock
from tests.tokens.support import DAY, grant_of

WINDOW, IDLE = 10, 14 * DAY


class Family:
    """One grant with its first refresh token; `use` is a request with it."""

    def __init__(self, database: Database, clock: ManualClock, window: int = WINDOW, **changes: Any) -> None:
        self.database, self.clock = database, clock
        self.grants = Grants(clock, Revocations(60 * DAY))
        self.tokens = RefreshTokens(clock, self.grants, window=window, idle_ttl=IDLE)
        self.grant = grant_of(clock, **changes)
        self.minted = count(1)
        with database.write() as tx:
            self.grants.save(tx, self.grant)
            self.first = self.tokens.first(tx, self.grant)

    def mint(self, grant: Grant, refresh_token: str, _bound: Confirmation) -> dict[str, Any]:
        return {"access_token": f"token {next(self.minted)} of {grant.sub}", "refresh_token": refresh_token}

    def use(self, token: str, client_id: str = "app", asked: str = "the same") -> Refreshed:
        with self.database.write() as tx:
            return self.tokens.rotate(tx, token, client_id=client_id, asked=asked, mint=self.mint)

    def lives(self, token: str) -> bool:
        with self.database.read() as tx:
            return self.tokens.living(tx, token, "app") is not None

    def holds(self) -> bool:
        with self.database.read() as tx:
            return self.grants.holds(tx, self.grant)


@pytest.fixture
def family(database: Database, clock: ManualClock) -> Family:
    return Family(database, clock)


def successor(refreshed: Refreshed) -> str:
    assert refreshed.answer is not None, refreshed.refusal
    return str(refreshed.answer["refresh_token"])


def test_each_use_gives_the_next_token_of_the_family(family: Family) -> None:
    tokens = [family.first]
    for _ in range(5):
        tokens.append(successor(family.use(tokens[-1])))
    assert len(set(tokens)) == 6
    assert [family.lives(token) for token in tokens] == [False] * 5 + [True]


def test_a_replay_within_the_window_gets_the_very_same_answer(family: Family) -> None:
    first = family.use(family.first)
    family.clock.advance(WINDOW)
    again = family.use(family.first)
    assert again.answer == first.answer
    assert next(family.minted) == 2, "nothing was minted twice"
    assert family.holds()


def test_a_replay_within_the_window_that_asks_for_something_else_is_refused_and_the_family_lives(
    family: Family,
) -> None:
    following = successor(family.use(family.first, asked="read"))
    refused = family.use(family.first, asked="read write")
    assert (refused.answer, refused.refusal) == (None, Refusal.OTHER_REQUEST)
    assert family.use(following).answer is not None


def test_a_replay_after_the_window_ends_the_family(family: Family) -> None:
    following = successor(family.use(family.first))
    family.clock.advance(WINDOW + 0.001)
    assert family.use(family.first).refusal is Refusal.REUSED
    assert not family.lives(following)
    assert family.use(following).refusal is Refusal.ENDED
    assert not family.holds()


def test_the_window_counts_from_the_use_of_each_token(family: Family) -> None:
    family.clock.advance(DAY)
    second = successor(family.use(family.first))
    family.clock.advance(WINDOW)
    third = successor(family.use(second))
    assert successor(family.use(second)) == third
    family.clock.advance(1)
    assert family.use(family.first).refusal is Refusal.REUSED


def test_without_a_window_every_replay_ends_the_family(database: Database, clock: ManualClock) -> None:
    strict = Family(database, clock, window=0)
    following = successor(strict.use(strict.first))
    assert strict.use(strict.first).refusal is Refusal.REUSED
    assert strict.use(following).refusal is Refusal.ENDED


def test_a_foreign_client_changes_nothing(family: Family) -> None:
    assert family.use(family.first, client_id="other").refusal is Refusal.UNKNOWN
    following = successor(family.use(family.first))
    family.clock.advance(WINDOW + 1)
    for token in (family.first, following):
        assert family.use(token, client_id="other").refusal is Refusal.UNKNOWN
    assert family.use(following).answer is not None
    with family.database.read() as tx:
        assert family.tokens.family(tx, following, "other") is None
        assert family.tokens.living(tx, following, "other") is None
        assert family.tokens.family(tx, following, "app") == family.grant.id


@pytest.mark.parametrize("token", ["", "unknown", "x" * 5000, "\udcff", "'; --", "ä"])
def test_a_token_that_is_none_of_ours_is_unknown(family: Family, token: str) -> None:
    assert family.use(token).refusal is Refusal.UNKNOWN
    assert family.lives(family.first)


def test_an_unused_token_dies_of_idleness_and_a_used_family_goes_on(family: Family) -> None:
    family.clock.advance(IDLE - 1)
    following = successor(family.use(family.first))
    family.clock.advance(IDLE)
    assert not family.lives(following)
    assert family.use(following).refusal is Refusal.UNKNOWN


def test_the_family_ends_with_its_grant_however_busy_it_is(family: Family) -> None:
    token = family.first
    for _ in range(2):
        family.clock.advance(10 * DAY)
        token = successor(family.use(token))
    with family.database.read() as tx:
        living = family.tokens.living(tx, token, "app")
    assert living is not None
    assert living.expires_at == family.grant.expires_at
    family.clock.advance(10 * DAY)
    assert not family.lives(token)
    assert family.use(token).refusal is Refusal.UNKNOWN


ENDINGS: dict[str, Callable[[Grants, sa.Connection, Grant], None]] = {
    "the grant": lambda grants, tx, grant: grants.end(tx, grant.id),
    "the session": lambda grants, tx, grant: grants.end_session(tx, grant.sid or ""),
    "the person": lambda grants, tx, grant: grants.end_subject(tx, grant.sub),
    "the client": lambda grants, tx, grant: grants.end_client(tx, grant.client_id),
}


@pytest.mark.parametrize("what", ENDINGS)
def test_what_is_revoked_gives_no_tokens_and_no_old_answer(family: Family, what: str) -> None:
    following = successor(family.use(family.first))
    with family.database.write() as tx:
        ENDINGS[what](family.grants, tx, family.grant)
    assert family.use(following).refusal is Refusal.ENDED
    assert family.use(family.first).refusal is Refusal.ENDED
    assert not family.lives(following)


def test_an_offline_grant_outlives_its_session(database: Database, clock: ManualClock) -> None:
    family = Family(database, clock, offline=True)
    with database.write() as tx:
        family.grants.end_session(tx, "session")
    assert family.use(family.first).answer is not None


def test_when_minting_fails_nothing_is_consumed(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_grant: Grant, _token: str, _bound: Confirmation) -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError), family.database.write() as tx:
        family.tokens.rotate(tx, family.first, client_id="app", asked="", mint=fails)
    assert family.lives(family.first)
    assert family.use(family.first).answer is not None


def test_many_at_once_get_one_and_the_same_answer(family: Family) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: family.use(family.first).answer, range(16)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0] is not None
    assert next(family.minted) == 2


def test_many_at_once_without_a_window_get_one_answer_and_the_family_ends(
    database: Database, clock: ManualClock
) -> None:
    strict = Family(database, clock, window=0)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: strict.use(strict.first), range(16)))
    (won,) = [outcome for outcome in outcomes if outcome.answer is not None]
    assert strict.use(successor(won)).refusal is Refusal.ENDED


def test_the_database_alone_tells_no_token_and_no_answer(family: Family) -> None:
    refreshed = family.use(family.first)
    assert refreshed.answer is not None
    with family.database.read() as tx:
        rows = tx.execute(sa.select(RefreshTokenRow.__table__)).all()
    dump = repr([tuple(row) for row in rows]).encode() + b"".join(bytes(row.answer or b"") for row in rows)
    for secret in (family.first, successor(refreshed), refreshed.answer["access_token"], json.dumps(refreshed.answer)):
        assert secret.encode() not in dump


def test_what_expired_long_ago_is_removed_and_nothing_else(family: Family) -> None:
    family.use(family.first)

    def pruned() -> int:
        with family.database.write() as tx:
            return store.prune(tx, family.clock.now())

    assert pruned() == 0
    family.clock.advance(IDLE + DAY)
    assert pruned() == 0
    family.clock.advance(1)
    assert pruned() == 2
    family.clock.advance(30 * DAY)
    assert pruned() == 1
