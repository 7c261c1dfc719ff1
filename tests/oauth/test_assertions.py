"""`private_key_jwt`: an assertion proves its client once, for one audience, by the right key and for a short time."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jws

from idp.errors import ProtocolError
from idp.oauth.client_auth import private_key_jwt
from idp.oauth.client_auth.private_key_jwt import TYPE, AssertionChecker, present
from idp.oauth.client_keys import ClientKeys
from idp.oauth.clients import Client
from idp.oauth.remote_keys import RemoteKeys
from idp.oauth.signed import ALGORITHMS
from idp.platform.db import Database
from idp.platform.forms import Form
from idp.platform.http import Call
from tests.oauth.support import ISSUER, client
from tests.support.clocks import ManualClock
from vetted_http import Client as OutboundHttp

TOKEN_ENDPOINT = f"{ISSUER}/oauth/token"
CALL = Call("POST", "/oauth/token", b"", {}, b"", "127.0.0.1", "r")
KEYS: dict[str, jwk.Key] = {
    "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec"}),
    "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
    "Ed25519": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
KEYS |= {"PS256": KEYS["RS256"], "EdDSA": KEYS["Ed25519"]}
STRANGER = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
NO_REMOTE_KEYS = ClientKeys(RemoteKeys(OutboundHttp().get, ManualClock()))
Proves = Callable[..., bool]


def signing_client(profile: str = "oauth21", **metadata: Any) -> Client:
    public = [key.as_dict(private=False) for key in (KEYS["ES256"], KEYS["RS256"], KEYS["Ed25519"])]
    given = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt"}
    return client(security_profile=profile, jwks={"keys": public}, **given, **metadata)


@pytest.fixture
def proves(database: Database, clock: ManualClock) -> Proves:
    """Whether an assertion that is good but for the given changes proves the client; None leaves a claim out."""
    checker = AssertionChecker(database, clock, NO_REMOTE_KEYS, issuer=ISSUER, token_endpoint=TOKEN_ENDPOINT)

    def proves(
        app: Client | None = None,
        *,
        alg: str = "ES256",
        key: jwk.Key | None = None,
        header: dict[str, Any] | None = None,
        **changes: Any,
    ) -> bool:
        now = clock.now()
        good = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": now + 60, "iat": now, "jti": secrets.token_hex(8)}
        claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
        signing = KEYS.get(alg, KEYS["ES256"]) if key is None else key
        protected = {"alg": alg, **(header or {})}
        assertion = jws.serialize_compact(protected, json.dumps(claims), signing, algorithms=[alg])
        presented = present(CALL, Form([("client_assertion_type", TYPE), ("client_assertion", assertion)]))
        assert presented is not None
        assert presented.client_id == (claims["sub"] if isinstance(claims.get("sub"), str) else "")
        return checker.proves(app or signing_client(), presented)

    return proves


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_announced_algorithm_proves(proves: Proves, alg: str) -> None:
    assert proves(alg=alg)
    assert proves(signing_client(token_endpoint_auth_signing_alg=alg), alg=alg)


def test_only_the_registered_algorithm_proves(proves: Proves) -> None:
    assert not proves(signing_client(token_endpoint_auth_signing_alg="PS256"), alg="RS256")


def test_only_the_clients_own_key_proves(proves: Proves) -> None:
    assert not proves(key=STRANGER)
    assert not proves(key=STRANGER, header={"kid": "ec"})
    assert not proves(header={"kid": "rsa"})
    assert proves(header={"kid": "ec"})
    assert not proves(client(redirect_uris=["https://app.test/cb"]))


@pytest.mark.parametrize(
    "header", [{"jwk": STRANGER.as_dict(private=False)}, {"jku": "https://evil.test"}, {"x5u": "https://evil.test"}]
)
def test_a_key_that_the_assertion_brings_along_does_not_count(proves: Proves, header: dict[str, Any]) -> None:
    assert not proves(key=STRANGER, header=header)


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES384", "", None, 5])
def test_no_other_algorithm_proves(database: Database, clock: ManualClock, alg: Any) -> None:
    body = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": clock.now() + 60, "jti": "j"}
    for signature in ("", "AAAA"):
        assert not _proves_raw(database, clock, f"{_part({'alg': alg})}.{_part(body)}.{signature}")


def test_a_public_key_is_no_shared_secret(database: Database, clock: ManualClock) -> None:
    body = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": clock.now() + 60, "jti": "j"}
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(body)}"
    mac = hmac.digest(KEYS["RS256"].as_pem(private=False), signed.encode(), "sha256")
    assert not _proves_raw(database, clock, f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


@pytest.mark.parametrize(
    ("profile", "audience", "good"),
    [
        ("oauth21", ISSUER, True),
        ("oauth21", TOKEN_ENDPOINT, False),
        ("oauth21", ISSUER + "/", False),
        ("oidc", ISSUER, True),
        ("oidc", TOKEN_ENDPOINT, True),
        ("oidc", f"{ISSUER}/oauth/revoke", False),
        ("oidc", "https://other.test", False),
    ],
)
def test_the_audience_is_the_issuer_or_for_the_classic_profile_the_token_endpoint(
    proves: Proves, profile: str, audience: str, good: bool
) -> None:
    assert proves(signing_client(profile), aud=audience) is good
    assert not proves(signing_client(profile), aud=[audience])


@pytest.mark.parametrize("ahead", [-60, -1, 0, 3661, 10**9])
def test_an_expiry_that_is_over_or_too_far_ahead_is_refused(proves: Proves, clock: ManualClock, ahead: int) -> None:
    assert not proves(exp=clock.now() + ahead)


@pytest.mark.parametrize("ahead", [1, 60, 3660])
def test_an_expiry_within_the_bound_proves(proves: Proves, clock: ManualClock, ahead: int) -> None:
    assert proves(exp=clock.now() + ahead)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_clock_may_be_ten_seconds_ahead(proves: Proves, clock: ManualClock, claim: str) -> None:
    assert proves(**{claim: clock.now() + 10})
    assert not proves(**{claim: clock.now() + 11})


@pytest.mark.parametrize(
    "change",
    [
        {"iss": None},
        {"sub": None},
        {"aud": None},
        {"exp": None},
        {"jti": None},
        {"iss": "other"},
        {"aud": ""},
        {"aud": {}},
        {"exp": "60"},
        {"exp": True},
        {"exp": -1},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": "now"},
        {"nbf": []},
        {"jti": ""},
        {"jti": 5},
        {"jti": "j" * 513},
    ],
    ids=str,
)
def test_a_missing_or_malformed_claim_is_refused(proves: Proves, change: dict[str, Any]) -> None:
    assert not proves(**change)


@pytest.mark.parametrize(
    ("typ", "good"),
    [("JWT", True), ("jwt", True), ("client-authentication+jwt", True), ("at+jwt", False), ("", False)],
)
def test_an_assertion_is_no_token_of_another_type(proves: Proves, typ: Any, good: bool) -> None:
    assert proves(header={"typ": typ}) is good


def test_an_assertion_proves_once_while_it_lives(proves: Proves, clock: ManualClock) -> None:
    assert proves(jti="once", exp=clock.now() + 3000)
    assert not proves(jti="once", exp=clock.now() + 3000)
    clock.advance(2999)
    assert not proves(jti="once")


def test_the_jti_of_one_client_does_not_burn_anothers(proves: Proves, database: Database, clock: ManualClock) -> None:
    assert proves(jti="mine")
    other = client(
        "other",
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [KEYS["ES256"].as_dict(private=False)]},
    )
    assert proves(other, jti="mine", iss="other", sub="other")


def test_burnt_assertions_are_forgotten_after_their_life_only(
    proves: Proves, database: Database, clock: ManualClock
) -> None:
    assert proves(jti="kept")
    for age, gone in ((60, 0), (20, 1)):
        clock.advance(age)
        with database.write() as tx:
            assert private_key_jwt.prune(tx, clock.now(), 100) == gone


def test_a_refused_assertion_burns_nothing(proves: Proves) -> None:
    assert not proves(jti="later", aud="https://other.test")
    assert not proves(jti="later", key=STRANGER)
    assert proves(jti="later")


@pytest.mark.parametrize(
    "form",
    [
        [("client_assertion", "a.b.c")],
        [("client_assertion_type", TYPE)],
        [("client_assertion_type", "other"), ("client_assertion", "e30.e30.AAAA")],
        [("client_assertion_type", TYPE), ("client_assertion", "x" * 9000)],
        [("client_assertion_type", TYPE), ("client_assertion", "é")],
        [("client_assertion_type", TYPE), ("client_assertion", "e30." + "W" * 3000 + ".AAAA")],
    ],
    ids=lambda form: form[-1][1][:20],
)
def test_what_is_no_assertion_names_nobody(form: list[tuple[str, str]]) -> None:
    presented = present(CALL, Form(form))
    assert presented is not None
    assert presented.client_id == ""


def test_a_request_without_assertion_uses_another_method() -> None:
    assert present(CALL, Form([("client_id", "app")])) is None
    with pytest.raises(ProtocolError):
        Form([("client_assertion", "a"), ("client_assertion", "b")])


def _part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _proves_raw(database: Database, clock: ManualClock, assertion: str) -> bool:
    checker = AssertionChecker(database, clock, NO_REMOTE_KEYS, issuer=ISSUER, token_endpoint=TOKEN_ENDPOINT)
    presented = present(CALL, Form([("client_assertion_type", TYPE), ("client_assertion", assertion)]))
    assert presented is not None
    return checker.proves(signing_client(), presented)
