"""What the tokens say: access tokens by RFC 9068, ID tokens by OpenID Connect Core, and what reads them back."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.ids import RandomBytes
from idp.platform.secrets import MasterKey
from idp.tokens import jose
from idp.tokens.access import AccessTokens
from idp.tokens.identity import IdTokenHint, left_half, read_hint
from idp.tokens.issuer import TokenIssuer
from idp.tokens.keyring import Keyring
from idp.tokens.status_list import reference
from idp.tokens.status_list_indexes import StatusIndexes
from idp.tokens.values import Grant, TokenAnswer
from tests.support import databases
from tests.support.clocks import ManualClock
from tests.tokens.support import grant_of

ISSUER, API = "https://idp.test", "https://api.test"
STATUS = reference(7, f"{ISSUER}/oauth/status/1-0")


@pytest.fixture(scope="module")
def shared(sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Nothing here depends on the kind of database."""
    return databases.open_database(databases.sqlite_copy(sqlite_template, tmp_path_factory.mktemp("keys")))


@pytest.fixture(scope="module")
def ring(shared: Database) -> Keyring:
    """Keys of every algorithm."""
    clock, database = ManualClock(), shared
    made = Keyring(database, MasterKey(b"m" * 32), clock, Audit(clock), jwks_max_age=300, longest_life=300)
    made.ensure(*jose.ALGORITHMS)
    return made


@pytest.fixture
def issuer(shared: Database, ring: Keyring, clock: ManualClock) -> TokenIssuer:
    indexes = StatusIndexes(shared, clock, ISSUER, lambda _tx, _client_id: None)
    return TokenIssuer(ring, ISSUER, clock, RandomBytes(), indexes, id_token_ttl=120)


@pytest.fixture
def reader(ring: Keyring, clock: ManualClock) -> AccessTokens:
    return AccessTokens(ring, ISSUER, clock)


@pytest.fixture
def grant(clock: ManualClock) -> Grant:
    clock.advance(0.75)
    made = grant_of(clock, amr=("pwd", "otp"), acr="2fa")
    clock.advance(30)
    return made


def tokens(issuer: TokenIssuer, grant: Grant, **changes: Any) -> TokenAnswer:
    asked = {
        "audience": API,
        "scope": "openid read",
        "ttl": 300,
        "alg": "ES256",
        "status": STATUS,
        "roles": None,
        "id_token_alg": "RS256",
    }
    return issuer.grant_tokens(grant, **{**asked, "refresh_token": None, **changes})


def parts(token: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _signature = (token or "").split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))  # type: ignore[return-value]


# -- access tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_an_access_token_says_what_rfc_9068_wants(
    issuer: TokenIssuer, ring: Keyring, grant: Grant, clock: ManualClock, alg: str
) -> None:
    header, claims = parts(tokens(issuer, grant, alg=alg).access_token)
    assert header == {"typ": "at+jwt", "alg": alg, "kid": ring.signer(alg).kid}
    jti = claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "sub": "alice",
        "aud": API,
        "exp": clock.now() + 300,
        "iat": clock.now(),
        "client_id": "app",
        "scope": "openid read",
        "status": {"status_list": {"idx": 7, "uri": f"{ISSUER}/oauth/status/1-0"}},
        "auth_time": grant.auth_time,
        "acr": "2fa",
        "amr": ["pwd", "otp"],
    }
    assert jti.startswith(f"{grant.id}.")


def test_iat_is_never_ahead_of_the_clock(issuer: TokenIssuer, grant: Grant, clock: ManualClock) -> None:
    clock.advance(0.2)
    _, claims = parts(tokens(issuer, grant).access_token)
    assert claims["iat"] <= clock.precise()
    _, service = parts(issuer.service_token(client_id="s", audience=API, scope="read", ttl=1, alg="ES256").access_token)
    assert service["iat"] <= clock.precise()


def test_two_tokens_of_the_same_moment_differ(issuer: TokenIssuer, grant: Grant) -> None:
    assert len({tokens(issuer, grant).access_token for _ in range(50)}) == 50
    asked: dict[str, Any] = {"client_id": "s", "audience": API, "scope": "read", "ttl": 60, "alg": "ES256"}
    assert len({parts(issuer.service_token(**asked).access_token)[1]["jti"] for _ in range(50)}) == 50


def test_roles_stand_in_the_token_only_where_the_api_asks(issuer: TokenIssuer, grant: Grant) -> None:
    assert "roles" not in parts(tokens(issuer, grant).access_token)[1]
    assert parts(tokens(issuer, grant, roles=()).access_token)[1]["roles"] == []
    assert parts(tokens(issuer, grant, roles=("admin", "reader")).access_token)[1]["roles"] == ["admin", "reader"]


def test_a_service_token_names_the_client_and_no_login(
    issuer: TokenIssuer, reader: AccessTokens, clock: ManualClock
) -> None:
    answer = issuer.service_token(client_id="service", audience=API, scope="read", ttl=60, alg="ES256")
    _, claims = parts(answer.access_token)
    assert claims["sub"] == claims["client_id"] == "service"
    assert not {"auth_time", "acr", "amr", "roles", "sid"} & claims.keys()
    found = reader.read(answer.access_token)
    assert found is not None
    assert found.grant_id is None


def test_a_token_is_read_back_as_it_was_minted(
    issuer: TokenIssuer, reader: AccessTokens, grant: Grant, ring: Keyring, clock: ManualClock
) -> None:
    found = reader.read(tokens(issuer, grant).access_token)
    assert found is not None
    assert (found.grant_id, found.sub, found.client_id, found.audience) == (grant.id, "alice", "app", API)
    assert (found.scope, found.issued_at, found.expires_at) == ("openid read", clock.now(), clock.now() + 300)
    assert found.kid == ring.signer("ES256").kid


def test_a_token_is_dead_at_the_second_it_expires(
    issuer: TokenIssuer, reader: AccessTokens, grant: Grant, clock: ManualClock
) -> None:
    token = tokens(issuer, grant, ttl=10).access_token
    clock.advance(9)
    assert reader.read(token) is not None
    clock.advance(1)
    assert reader.read(token) is None


def test_what_is_no_access_token_of_ours_reads_as_none(
    issuer: TokenIssuer, ring: Keyring, reader: AccessTokens, grant: Grant, clock: ManualClock
) -> None:
    answer = tokens(issuer, grant)
    assert reader.read(answer.id_token or "") is None, "an ID token opens nothing"
    assert AccessTokens(ring, "https://other.test", clock).read(answer.access_token) is None
    event = ring.signer("ES256").compose("secevent+jwt", {"iss": ISSUER, "exp": clock.now() + 60})
    for text in ("", "x", "a.b.c", event, answer.access_token[:-4], answer.access_token + "x"):
        assert reader.read(text) is None


def test_the_answer_leaves_out_what_there_is_not(issuer: TokenIssuer, grant: Grant) -> None:
    bare = tokens(issuer, grant, id_token_alg=None).document()
    assert bare.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (bare["token_type"], bare["expires_in"], bare["scope"]) == ("Bearer", 300, "openid read")
    assert tokens(issuer, grant, refresh_token="r").document().keys() - bare.keys() == {"id_token", "refresh_token"}


# -- ID tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_an_id_token_says_who_logged_in_when_and_how(
    issuer: TokenIssuer, grant: Grant, clock: ManualClock, alg: str
) -> None:
    answer = tokens(issuer, grant, id_token_alg=alg)
    header, claims = parts(answer.id_token)
    assert (header["typ"], header["alg"]) == ("JWT", alg)
    hashed = (hashlib.sha512 if alg == "Ed25519" else hashlib.sha256)(answer.access_token.encode()).digest()
    assert claims == {
        "iss": ISSUER,
        "sub": "alice",
        "aud": "app",
        "exp": clock.now() + 120,
        "iat": clock.now(),
        "nonce": "the-nonce",
        "sid": "session",
        "auth_time": grant.auth_time,
        "acr": "2fa",
        "amr": ["pwd", "otp"],
        "at_hash": base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode(),
    }


def test_the_at_hash_is_the_one_of_the_published_example() -> None:
    """OpenID Connect Core A.3: the access token and the at_hash that belong together."""
    assert left_half("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_an_id_token_leaves_out_a_nonce_and_a_session_there_are_not(issuer: TokenIssuer, clock: ManualClock) -> None:
    _, claims = parts(tokens(issuer, grant_of(clock, nonce=None, sid=None)).id_token)
    assert not {"nonce", "sid"} & claims.keys()


def test_an_id_token_is_a_hint_even_when_it_has_expired_and_nothing_else_is(
    issuer: TokenIssuer, ring: Keyring, grant: Grant, clock: ManualClock
) -> None:
    answer = tokens(issuer, grant)
    expires_at = parts(answer.id_token)[1]["exp"]
    clock.advance(10_000)
    assert read_hint(answer.id_token or "", ring, ISSUER) == IdTokenHint("alice", "app", "session", expires_at)
    assert read_hint(answer.id_token or "", ring, "https://other.test") is None
    assert read_hint(answer.access_token, ring, ISSUER) is None
    for claims in (
        {"iss": ISSUER},
        {"iss": ISSUER, "sub": 1, "aud": "app"},
        {"iss": ISSUER, "sub": "a", "aud": ["app"]},
    ):
        assert read_hint(ring.signer("RS256").compose("JWT", claims), ring, ISSUER) is None
