"""Revocation: each kind of row covers what it names, what began until then, and is forgotten when nothing it covers can live."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from idp.platform.db import Database
from idp.platform.ids import new_id
from idp.tokens import revocations
from idp.tokens.models import RevocationRow
from idp.tokens.revocations import KINDS, Revocations
from idp.tokens.values import AccessToken
from tests.support.clocks import ManualClock

LIFE = 1000
SID = "the-session"


@pytest.fixture
def token(clock: ManualClock) -> AccessToken:
    """A token of a grant that began just now."""
    grant_id = new_id(clock.precise())
    return AccessToken(
        jti=f"{grant_id}.x",
        grant_id=grant_id,
        sub="alice",
        client_id="app",
        audience="https://api.test",
        scope="read",
        issued_at=clock.now(),
        expires_at=clock.now() + 300,
        kid="the-key",
        claims={},
    )


def target_of(kind: str, token: AccessToken) -> str:
    names = {"token": token.jti, "session": SID, "subject": token.sub, "client": token.client_id, "key": token.kid}
    return names[kind] if kind in names else str(token.grant_id)


def add(database: Database, kind: str, target: str, since: float, now: int) -> None:
    with database.write() as tx:
        Revocations(LIFE).add(tx, kind, target, since=since, now=now)


def is_revoked(database: Database, token: AccessToken, sid: str | None = SID) -> bool:
    with database.read() as tx:
        return Revocations(LIFE).is_revoked(tx, token, sid)


def is_grant_revoked(database: Database, token: AccessToken) -> bool:
    with database.read() as tx:
        return Revocations(LIFE).is_grant_revoked(tx, str(token.grant_id), token.sub, token.client_id)


def test_without_a_row_nothing_is_revoked(database: Database, token: AccessToken) -> None:
    assert not is_revoked(database, token)
    assert not is_revoked(database, replace(token, grant_id=None), None)
    assert not is_grant_revoked(database, token)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_revokes_what_it_names_and_nothing_else(
    database: Database, clock: ManualClock, token: AccessToken, kind: str
) -> None:
    for other in KINDS:
        add(database, other, "something else", clock.precise(), clock.now())
        add(database, kind, target_of(other, token) + "x", clock.precise(), clock.now())
    assert not is_revoked(database, token)
    add(database, kind, target_of(kind, token), clock.precise(), clock.now())
    assert is_revoked(database, token)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_does_not_speak_of_another_kinds_name(
    database: Database, clock: ManualClock, token: AccessToken, kind: str
) -> None:
    """A client that is called like a person is not revoked with them."""
    for other in KINDS:
        if other != kind:
            add(database, kind, target_of(other, token), clock.precise() + 60, clock.now())
    assert not is_revoked(database, token)


@pytest.mark.parametrize("kind", ["grant", "subject", "client"])
def test_a_grant_is_revoked_by_its_own_id_its_person_and_its_client(
    database: Database, clock: ManualClock, token: AccessToken, kind: str
) -> None:
    add(database, kind, target_of(kind, token), clock.precise(), clock.now())
    assert is_grant_revoked(database, token)


@pytest.mark.parametrize("kind", ["subject", "client"])
def test_what_began_after_the_revocation_holds_to_the_millisecond(
    database: Database, clock: ManualClock, token: AccessToken, kind: str
) -> None:
    add(database, kind, target_of(kind, token), clock.precise() - 0.002, clock.now())
    assert not is_revoked(database, token), "a login in the same second as a password change holds"
    assert not is_grant_revoked(database, token)
    add(database, kind, target_of(kind, token), clock.precise() + 0.002, clock.now())
    assert is_revoked(database, token)
    assert is_grant_revoked(database, token)


def test_a_token_refreshed_after_the_revocation_is_as_old_as_its_grant(
    database: Database, clock: ManualClock, token: AccessToken
) -> None:
    clock.advance(60)
    add(database, "subject", token.sub, clock.precise(), clock.now())
    clock.advance(60)
    assert is_revoked(database, replace(token, issued_at=clock.now()))


def test_a_service_token_is_as_old_as_itself(database: Database, clock: ManualClock, token: AccessToken) -> None:
    service = replace(token, jti=new_id(clock.precise()), grant_id=None, sub="app")
    add(database, "client", "app", clock.precise() + 10, clock.now())
    assert is_revoked(database, service, None)
    assert not is_revoked(database, replace(service, issued_at=clock.now() + 11), None)


def test_a_key_revokes_whatever_it_signed_and_whatever_time_that_says(
    database: Database, clock: ManualClock, token: AccessToken
) -> None:
    """Whoever stole the key may sign tokens that say they are of tomorrow."""
    add(database, "key", token.kid, clock.now() + 5, clock.now())
    assert is_revoked(database, replace(token, issued_at=clock.now() + 5))
    assert is_revoked(database, replace(token, issued_at=clock.now() + 86400, expires_at=clock.now() + 90000))


def test_revoking_again_moves_the_time(database: Database, clock: ManualClock, token: AccessToken) -> None:
    add(database, "subject", token.sub, clock.precise() - 10, clock.now())
    assert not is_revoked(database, token)
    clock.advance(10)
    add(database, "subject", token.sub, clock.precise(), clock.now())
    assert is_revoked(database, token)
    with database.read() as tx:
        assert tx.execute(sa.select(RevocationRow.until)).scalars().all() == [clock.now() + LIFE]


def test_a_row_is_forgotten_when_nothing_it_speaks_of_can_live(database: Database, clock: ManualClock) -> None:
    for kind in KINDS:
        add(database, kind, "x", clock.precise(), clock.now())
    add(database, "grant", "later", clock.precise(), clock.now() + 1)

    def prune(limit: int) -> int:
        with database.write() as tx:
            return revocations.prune(tx, clock.now(), limit)

    clock.advance(LIFE)
    assert prune(100) == 0
    clock.advance(1)
    assert [prune(4), prune(4), prune(4)] == [4, 2, 0]
    clock.advance(1)
    assert prune(100) == 1
