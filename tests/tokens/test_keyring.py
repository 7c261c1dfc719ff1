"""The signing keys: their states, rotation, import and revocation, and nothing private where it could be read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk

from idp.errors import Refused, Unavailable
from idp.platform.audit import Audit, verify
from idp.platform.db import Database
from idp.platform.secrets import MasterKey
from idp.tokens import jose
from idp.tokens.access import TYPE, AccessTokens
from idp.tokens.identity import mint_id_token, read_hint
from idp.tokens.keyring import CACHE_MARGIN, NOW_DELAY, PURPOSE, KeyRecord, Keyring
from idp.tokens.models import RevocationRow, SigningKeyRow
from tests.support.clocks import ManualClock
from tests.tokens.support import pem

MAX_AGE, LONGEST = 300, 300
WAIT, KEEP = MAX_AGE + CACHE_MARGIN, LONGEST + CACHE_MARGIN
ALG = "ES256"
MASTER = MasterKey(b"m" * 32)
Make = Callable[..., Keyring]


@pytest.fixture
def make(database: Database, clock: ManualClock) -> Make:
    """Another process on the same database."""

    def build(master: MasterKey = MASTER) -> Keyring:
        return Keyring(database, master, clock, Audit(clock), jwks_max_age=MAX_AGE, longest_life=LONGEST)

    return build


@pytest.fixture
def ring(make: Make) -> Keyring:
    """A process with one active key."""
    made = make()
    made.ensure(ALG)
    return made


def states(ring: Keyring) -> list[str]:
    return sorted(record.state for record in ring.list())


def published(ring: Keyring) -> list[str]:
    ring.reload()
    return [key["kid"] for key in json.loads(ring.published().body)["keys"]]


def active(ring: Keyring) -> KeyRecord:
    (one,) = [record for record in ring.list() if record.state == "active"]
    return one


# -- the life of a key ------------------------------------------------------------------------------------------------


def test_without_a_key_nothing_is_signed(make: Make) -> None:
    with pytest.raises(Unavailable):
        make().signer(ALG)
    assert make().verifier("unknown") is None


def test_a_key_is_next_then_active_then_retiring_then_retired(ring: Keyring, clock: ManualClock) -> None:
    first = active(ring).kid
    (following,) = ring.rotate(ALG)
    assert (following.state, following.activates_at) == ("next", clock.now() + WAIT)
    assert set(published(ring)) == {first, following.kid}, "published before it signs"
    clock.advance(WAIT - 1)
    ring.promote_due()
    assert states(ring) == ["active", "next"]
    clock.advance(1)
    ring.promote_due()
    assert states(ring) == ["active", "retiring"]
    assert active(ring).activated_at == clock.now()
    ring.reload()
    assert ring.signer(ALG).kid == following.kid
    assert first in published(ring), "kept for the tokens it signed"
    clock.advance(KEEP - 1)
    ring.promote_due()
    assert states(ring) == ["active", "retiring"]
    clock.advance(1)
    ring.promote_due()
    assert states(ring) == ["active", "retired"]
    assert published(ring) == [following.kid]
    assert ring.verifier(first) is None


def test_making_sure_of_a_key_twice_makes_one(ring: Keyring) -> None:
    ring.ensure(ALG)
    assert states(ring) == ["active"]


def test_rotating_twice_makes_one_successor(ring: Keyring) -> None:
    assert ring.rotate(ALG) == ring.rotate(ALG)
    assert states(ring) == ["active", "next"]


def test_rotating_now_brings_a_waiting_key_forward_and_never_back(ring: Keyring, clock: ManualClock) -> None:
    (waiting,) = ring.rotate(ALG)
    (sooner,) = ring.rotate(ALG, now=True)
    assert (sooner.kid, sooner.activates_at) == (waiting.kid, clock.now() + NOW_DELAY)
    assert ring.rotate(ALG) == [sooner]


def test_all_algorithms_in_use_are_rotated_and_no_others(ring: Keyring) -> None:
    ring.ensure("Ed25519")
    assert {record.alg for record in ring.rotate()} == {ALG, "Ed25519"}


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "EdDSA", "es256", "x"])
def test_an_algorithm_we_do_not_sign_with_is_refused(ring: Keyring, alg: str) -> None:
    with pytest.raises(Refused):
        ring.rotate(alg)
    assert states(ring) == ["active"]


def test_an_old_key_gets_a_successor_by_itself(ring: Keyring, clock: ManualClock) -> None:
    clock.advance(999)
    ring.promote_due(1000)
    assert states(ring) == ["active"]
    clock.advance(1)
    ring.promote_due(1000)
    ring.promote_due(1000)
    assert states(ring) == ["active", "next"]


def test_many_nodes_at_once_make_one_key_and_promote_it_once(ring: Keyring, make: Make, clock: ManualClock) -> None:
    nodes = [make() for _ in range(6)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda node: node.ensure("Ed25519"), nodes))
        list(pool.map(lambda node: node.rotate(), nodes))
        clock.advance(WAIT)
        list(pool.map(lambda node: node.promote_due(), nodes))
    found = sorted((record.alg, record.state) for record in ring.list())
    assert found == [(ALG, "active"), (ALG, "retiring"), ("Ed25519", "active"), ("Ed25519", "retiring")]


# -- other processes --------------------------------------------------------------------------------------------------


def test_a_token_of_a_key_younger_than_the_snapshot_is_read_at_once(ring: Keyring, make: Make) -> None:
    other = make()
    other.reload()
    fresh = ring.add(pem(ec.generate_private_key(ec.SECP256R1())), alg=None, state="active").kid
    ring.reload()
    token = ring.signer(ALG).compose(TYPE, {})
    assert jose.verify(token, other.verifier, types={TYPE}) is not None
    assert other.signer(ALG).kid == fresh


def test_the_etag_changes_with_the_keys_and_only_then(ring: Keyring, make: Make) -> None:
    before = ring.published()
    ring.reload()
    other = make()
    other.reload()
    assert ring.published() == other.published() == before
    ring.rotate(ALG)
    ring.reload()
    assert ring.published().etag != before.etag
    assert ring.published().etag.startswith('"')


# -- import -----------------------------------------------------------------------------------------------------------


@cache
def strong(alg: str) -> tuple[str, str]:
    """A private key as PEM and as JWK."""
    key: Any = {
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }["RS256" if alg == "PS256" else alg]()
    kind: Any = {"ES256": jwk.ECKey, "RS256": jwk.RSAKey, "PS256": jwk.RSAKey, "Ed25519": jwk.OKPKey}[alg]
    return pem(key), json.dumps(kind.import_key(pem(key)).as_dict(private=True))


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_a_private_key_is_imported_from_pem_and_from_jwk(ring: Keyring, clock: ManualClock, alg: str) -> None:
    as_pem, as_jwk = strong(alg)
    record = ring.add(as_pem, alg=alg, state="next")
    assert (record.alg, record.state, record.activates_at) == (alg, "next", clock.now() + WAIT)
    with pytest.raises(Refused) as raised:
        ring.add(as_jwk, alg=alg, state="next")
    assert raised.value.code == "exists"
    clock.advance(WAIT)
    ring.promote_due()
    ring.reload()
    assert ring.signer(alg).kid == record.kid
    assert jose.verify(ring.signer(alg).compose(TYPE, {"a": 1}), ring.verifier, types={TYPE}) is not None


def test_a_key_imported_as_active_signs_at_once_and_the_old_one_retires(ring: Keyring) -> None:
    old = active(ring).kid
    record = ring.add(strong(ALG)[1], alg=None, state="active")
    assert record.state == "active"
    assert ring.signer(ALG).kid == record.kid
    assert set(published(ring)) == {old, record.kid}


def test_a_key_has_one_algorithm_for_ever(ring: Keyring) -> None:
    as_pem, _ = strong("RS256")
    ring.add(as_pem, alg="RS256", state="next")
    with pytest.raises(Refused):
        ring.add(as_pem, alg="PS256", state="next")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "Ed25519", "HS256", "none", "ES384"])
def test_a_key_for_another_algorithm_than_was_said_is_refused(ring: Keyring, alg: str) -> None:
    with pytest.raises(Refused):
        ring.add(strong(ALG)[0], alg=alg, state="active")
    assert states(ring) == ["active"]


# -- revocation -------------------------------------------------------------------------------------------------------


def test_a_revoked_key_is_gone_at_once_and_another_signs(ring: Keyring, database: Database) -> None:
    old = active(ring).kid
    token = ring.signer(ALG).compose(TYPE, {"iss": "i", "exp": 2**40})
    ring.revoke(old)
    assert active(ring).kid != old
    assert published(ring) == [active(ring).kid] == [ring.signer(ALG).kid]
    assert jose.verify(token, ring.verifier, types={TYPE}) is None
    with database.read() as tx:
        rows = tx.execute(sa.select(RevocationRow.kind, RevocationRow.target)).all()
    assert rows == [("key", old)]


def test_a_revoked_next_key_leaves_the_active_one_signing(ring: Keyring) -> None:
    (waiting,) = ring.rotate(ALG)
    before = active(ring)
    ring.revoke(waiting.kid)
    assert active(ring) == before
    assert published(ring) == [before.kid]


@pytest.mark.parametrize("kid", ["", "unknown", "x" * 1000])
def test_only_a_published_key_can_be_revoked(ring: Keyring, kid: str) -> None:
    with pytest.raises(Refused):
        ring.revoke(kid)


def test_a_retired_key_cannot_be_revoked_again(ring: Keyring) -> None:
    old = active(ring).kid
    ring.revoke(old)
    with pytest.raises(Refused):
        ring.revoke(old)


# -- secrecy ----------------------------------------------------------------------------------------------------------


def rows(database: Database) -> list[sa.Row[Any]]:
    with database.read() as tx:
        return list(tx.execute(sa.select(SigningKeyRow.__table__).order_by(SigningKeyRow.created_at)).all())


def test_at_rest_a_private_key_is_sealed_and_a_retired_one_is_wiped(database: Database, ring: Keyring) -> None:
    as_pem, as_jwk = strong("RS256")
    ring.add(as_pem, alg="RS256", state="active")
    private = json.loads(as_jwk)
    for row in rows(database):
        stored = repr(tuple(row)).encode() + bytes(row.sealed)
        for name in ("d", "p", "q", "dp", "dq", "qi"):
            assert private[name].encode() not in stored
            raw = base64.urlsafe_b64decode(private[name] + "==")
            assert raw not in stored
        assert b"PRIVATE KEY" not in stored
        opened = MASTER.unseal(row.sealed, purpose=PURPOSE)
        assert opened.startswith(b"-----BEGIN PRIVATE KEY-----")
        with pytest.raises(Refused):
            MasterKey(b"x" * 32).unseal(row.sealed, purpose=PURPOSE)
        with pytest.raises(Refused):
            MASTER.unseal(row.sealed, purpose="another")
    kid = active_of(ring, "RS256")
    ring.revoke(kid)
    (wiped,) = [row for row in rows(database) if row.kid == kid]
    assert wiped.sealed is None


def active_of(ring: Keyring, alg: str) -> str:
    return next(record.kid for record in ring.list() if (record.alg, record.state) == (alg, "active"))


def test_another_master_key_opens_nothing(ring: Keyring, make: Make) -> None:
    with pytest.raises(Refused):
        make(MasterKey(b"x" * 32)).reload()


def test_the_jwks_never_has_a_private_member(ring: Keyring) -> None:
    for alg in jose.ALGORITHMS:
        ring.add(strong(alg)[1], alg=alg, state="active")
    ring.reload()
    keys = json.loads(ring.published().body)["keys"]
    assert {key["alg"] for key in keys} == set(jose.ALGORITHMS)
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "key_ops"} & key.keys()
    assert all("d" not in record.public_jwk for record in ring.list())


def test_every_step_of_a_key_is_in_the_audit_trail(database: Database, ring: Keyring, clock: ManualClock) -> None:
    ring.rotate(ALG, now=True)
    clock.advance(NOW_DELAY)
    ring.promote_due()
    ring.revoke(active(ring).kid)
    with database.read() as tx:
        assert verify(tx).broken_at is None
        told = [row[0] for row in tx.exec_driver_sql("SELECT event FROM audit ORDER BY sequence")]
    assert told == [
        *("key.created", "key.created", "key.activated"),
        *("key.created", "key.retired", "key.revoked", "key.activated"),
    ]


def test_an_access_token_of_a_revoked_key_reads_as_none(ring: Keyring, clock: ManualClock) -> None:
    now = clock.now()
    claims = {"iss": "https://idp.test", "sub": "s", "client_id": "c", "aud": "a", "scope": "x", "jti": "j"}
    claims |= {"exp": now + 60, "iat": now}
    token = ring.signer(ALG).compose(TYPE, claims)
    reader = AccessTokens(ring, "https://idp.test", clock)
    assert reader.read(token) is not None
    ring.revoke(active(ring).kid)
    assert reader.read(token) is None


# -- hints ------------------------------------------------------------------------------------------------------------


def hinted(ring: Keyring, token: str) -> str | None:
    hint = read_hint(token, ring, "https://idp.test")
    return hint.sub if hint else None


@pytest.fixture
def id_token(ring: Keyring, clock: ManualClock) -> str:
    login = {"auth_time": clock.now(), "sid": "s"}
    return mint_id_token(
        ring.signer(ALG),
        issuer="https://idp.test",
        sub="ada",
        client_id="app",
        ttl=LONGEST,
        now=clock.now(),
        hashed={},
        extra=login,
    )


def test_an_id_token_stays_a_hint_after_its_key_has_retired(
    ring: Keyring, make: Make, clock: ManualClock, id_token: str
) -> None:
    for pause in (WAIT, KEEP):
        ring.rotate(ALG)
        clock.advance(pause)
        ring.promote_due()
    assert "retired" in states(ring)
    ring.reload()
    assert ring.verifier(id_token_kid(id_token)) is None
    assert (hinted(ring, id_token), hinted(make(), id_token)) == ("ada", "ada")
    header, _, signature = id_token.split(".")
    other = base64.urlsafe_b64encode(json.dumps({"sub": "eve"}).encode()).rstrip(b"=").decode()
    assert hinted(ring, f"{header}.{other}.{signature}") is None


@pytest.mark.parametrize("retiring", [False, True])
def test_an_id_token_of_a_revoked_key_is_no_hint(
    ring: Keyring, clock: ManualClock, id_token: str, retiring: bool
) -> None:
    if retiring:
        ring.rotate(ALG)
        clock.advance(WAIT)
        ring.promote_due()
    ring.revoke(id_token_kid(id_token))
    assert hinted(ring, id_token) is None
    clock.advance(10 * KEEP)
    ring.promote_due()
    assert hinted(ring, id_token) is None


def id_token_kid(token: str) -> str:
    header = token.split(".", maxsplit=1)[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])
