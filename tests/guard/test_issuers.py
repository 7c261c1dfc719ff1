"""Several issuers, each trusted in its own way: audiences, algorithms, claim names, types, lifetimes, keys at hand."""

from __future__ import annotations

import base64
import json
import string
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from token_guard import ActorPolicy, ClaimMap, Guard, GuardError, IssuerTrust, Needs
from token_guard.checks import Check
from token_guard.fetch import Fetched
from token_guard.keys import parse_jwks
from token_guard.validation import validate

from tests.guard.minting import AUDIENCE, EC, ED, ISSUER, PSS, RSA, FromNow, claims, jwks, signed, token

OTHER = "https://other.test/tenant"
SERVICE = "svc-payments"
KEYS = {ISSUER: jwks(EC, RSA), OTHER: jwks(ED, PSS)}


def two_issuers(**other: Any) -> Guard:
    return Guard(
        IssuerTrust(ISSUER, AUDIENCE),
        IssuerTrust(OTHER, "the-api", **{"max_lifetime": 600, **other}),
        fetch=lambda trust: Fetched(KEYS[trust.issuer], 300),
    )


def check(guarding: Guard, presented: str) -> Check:
    with pytest.raises(GuardError) as caught:
        guarding.validate(presented)
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")
    return caught.value.check


def test_each_issuer_is_trusted_for_itself() -> None:
    guarding = two_issuers(algorithms=("Ed25519",))
    assert guarding.validate(token()).issuer == ISSUER
    assert guarding.validate(token(key=ED, iss=OTHER, aud="the-api")).issuer == OTHER
    assert check(guarding, token(key=EC, iss=OTHER, aud="the-api")) is Check.ALGORITHM
    assert check(guarding, token(key=PSS, iss=OTHER, aud="the-api")) is Check.ALGORITHM
    assert check(guarding, token(key=ED, iss=OTHER)) is Check.AUDIENCE
    assert check(guarding, token(aud="the-api")) is Check.AUDIENCE
    assert check(guarding, token(key=ED, iss=OTHER, aud="the-api", exp=FromNow(3600))) is Check.LIFETIME
    assert guarding.validate(token(exp=FromNow(3600)))
    assert check(guarding, token(iss="https://third.test")) is Check.ISSUER


def test_one_issuers_key_signs_nothing_for_another() -> None:
    assert check(two_issuers(), token(key=ED, iat=FromNow(-20))) is Check.KEY


def test_an_issuer_is_named_once_and_there_is_one() -> None:
    for trusts in ((), (IssuerTrust(ISSUER, AUDIENCE), IssuerTrust(ISSUER, "twice"))):
        with pytest.raises(ValueError, match="at least one issuer"):
            Guard(*trusts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"audience": ""},
        {"audience": ()},
        {"audience": ("",)},
        {"issuer": ""},
        {"algorithms": ()},
        {"algorithms": ("none",)},
        {"algorithms": ("HS256",)},
        {"types": frozenset()},
        {"jwks_uri": "http://keys.test"},
        {"delegated_audiences": ("",)},
    ],
    ids=str,
)
def test_a_trust_that_trusts_anything_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        IssuerTrust(**{"issuer": ISSUER, "audience": AUDIENCE, **wrong})


def test_several_audiences_are_ours() -> None:
    guarding = Guard(IssuerTrust(ISSUER, (AUDIENCE, f"{AUDIENCE}/payments")), fetch=lambda _trust: Fetched(jwks(), 300))
    assert guarding.validate(token())
    assert guarding.validate(token(aud=f"{AUDIENCE}/payments"))
    assert check(guarding, token(aud=f"{AUDIENCE}/orders")) is Check.AUDIENCE


def test_an_audience_for_services_and_what_they_do_for_others() -> None:
    inner = f"{AUDIENCE}/payments"
    trust = IssuerTrust(ISSUER, AUDIENCE, delegated_audiences=(inner,))
    guarding = Guard(trust, fetch=lambda _trust: Fetched(jwks(), 300))
    assert guarding.validate(token(aud=inner, sub="app")).is_service
    assert guarding.validate(token(aud=inner, act={"sub": "svc-orders"})).actors == ("svc-orders",)
    assert check(guarding, token(aud=inner)) is Check.AUDIENCE


def test_the_names_of_another_issuers_claims() -> None:
    names = ClaimMap(client_id="azp", scope="scp", roles=("realm_access", "roles"), subject="oid", token_id="uti")
    guarding = two_issuers(claims=names, types=frozenset({"jwt"}))
    theirs = {
        "oid": "person-9",
        "azp": "their-app",
        "uti": "t1",
        "scp": ["read", "write"],
        "realm_access": {"roles": ["admin"]},
    }
    without = {"sub": None, "client_id": None, "jti": None, "scope": None}
    principal = guarding.validate(token({"typ": "JWT"}, ED, iss=OTHER, aud="the-api", **without, **theirs))
    assert (principal.subject, principal.client_id, principal.token_id) == ("person-9", "their-app", "t1")
    assert (principal.scopes, principal.roles) == ({"read", "write"}, {"admin"})
    for wrong in ({"azp": None}, {"scp": [1]}, {"realm_access": {"roles": "admin"}}, {"oid": ["x"]}):
        presented = token({"typ": "JWT"}, ED, iss=OTHER, aud="the-api", **without, **{**theirs, **wrong})
        assert check(guarding, presented) is Check.CLAIMS
    nothing = token({"typ": "JWT"}, ED, iss=OTHER, aud="the-api", **without, **{**theirs, "realm_access": "none"})
    assert guarding.validate(nothing).roles == frozenset()


def test_a_service_that_signs_its_messages_is_an_issuer_with_keys_at_hand() -> None:
    trust = IssuerTrust(
        SERVICE,
        "orders",
        jwks=json.loads(jwks(EC)),
        types=frozenset({"ctx+jwt"}),
        claims=ClaimMap(client_id="iss"),
        max_lifetime=60,
    )
    guarding = Guard(trust)
    context = {"iss": SERVICE, "aud": "orders", "client_id": None, "exp": FromNow(30), "act": {"sub": SERVICE}}
    principal = guarding.validate(token({"typ": "ctx+jwt"}, **context))
    assert (principal.client_id, principal.actors) == (SERVICE, (SERVICE,))
    assert check(guarding, token(**context)) is Check.TYPE


@pytest.mark.parametrize("alg", ["Ed25519", "EdDSA"])
@pytest.mark.parametrize("said", ["Ed25519", "EdDSA", None])
def test_ed25519_has_an_old_and_a_new_name(alg: str, said: str | None) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})
    published = {**key.as_dict(private=False), **({"alg": said} if said else {})}
    guarding = Guard(IssuerTrust(ISSUER, AUDIENCE, jwks={"keys": [published]}))
    registry = jws.JWSRegistry(algorithms=["Ed25519", "EdDSA"])
    header = {"typ": "at+jwt", "alg": alg, "kid": "ed"}
    assert guarding.validate(jws.serialize_compact(header, json.dumps(claims()), key, registry=registry))


def test_longer_hashes_are_there_for_those_who_ask() -> None:
    key = ECKey.generate_key("P-384", {"kid": "ec384", "use": "sig"})
    registry = jws.JWSRegistry(algorithms=["ES384"])
    header = {"typ": "at+jwt", "alg": "ES384", "kid": "ec384"}
    presented = jws.serialize_compact(header, json.dumps(claims()), key, registry=registry)
    wide = IssuerTrust(ISSUER, AUDIENCE, algorithms=("ES256", "ES384"))
    assert Guard(wide, fetch=lambda _trust: Fetched(jwks(key), 300)).validate(presented)
    narrow = Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(key), 300))
    assert check(narrow, presented) is Check.ALGORITHM


def test_the_checks_are_a_pure_function_of_token_keys_trust_and_time() -> None:
    trust, keys = IssuerTrust(ISSUER, AUDIENCE), parse_jwks(jwks(EC), max_keys=4)
    presented = token(iat=1_700_000_000, exp=1_700_000_300)
    assert validate(token=presented, trust=trust, keys=keys, now=1_700_000_100).subject == "person-1"
    for now, why in ((1_700_000_400, Check.EXPIRED), (1_699_999_900, Check.NOT_YET)):
        with pytest.raises(GuardError) as caught:
            validate(token=presented, trust=trust, keys=keys, now=now)
        assert caught.value.check is why
    with pytest.raises(GuardError) as caught:
        validate(token=token(key=RSA), trust=trust, keys=keys, now=1_700_000_100)
    assert caught.value.status == 401


ACTS: dict[str, Any] = {
    "a text": "svc",
    "nobody": {},
    "a number": {"sub": 5},
    "empty": {"sub": ""},
    "broken behind": {"sub": "a", "act": []},
    "endless": {
        "sub": "a",
        "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d", "act": {"sub": "e", "act": {"sub": "f"}}}}},
    },
}


def test_the_actors_are_named_current_first() -> None:
    act = {"sub": "svc-orders", "act": {"sub": "svc-web"}}
    assert two_issuers().validate(token(act=act)).actors == ("svc-orders", "svc-web")
    long = Needs(actors=ActorPolicy(max_depth=6))
    assert two_issuers().validate(token(act=ACTS["endless"]), long).actors == tuple("abcdef")


@pytest.mark.parametrize("act", [value for name, value in ACTS.items() if name != "endless"], ids=str)
def test_actors_of_a_wrong_shape_are_refused(act: Any) -> None:
    assert check(two_issuers(), token(act=act)) is Check.CLAIMS


@pytest.mark.parametrize("details", [{}, "x", [1], [{}], [{"type": ""}], [{"type": 1}]], ids=str)
def test_authorization_details_of_a_wrong_shape_are_refused(details: Any) -> None:
    assert check(two_issuers(), token(authorization_details=details)) is Check.CLAIMS


def test_base64_has_one_spelling() -> None:
    good = token()
    head, _, signature = good.rpartition(".")
    twins = {f"{head}.{signature[:-1]}{other}" for other in string.ascii_letters + string.digits + "-_"} - {good}
    same = [twin for twin in twins if _signature(twin) == _signature(good)]
    assert len(same) == 15, "four bits of the last character are not used"
    for twin in same:
        assert check(two_issuers(), twin) is Check.SHAPE
    assert two_issuers().validate(good)


def _signature(presented: str) -> bytes:
    return base64.urlsafe_b64decode(presented.rpartition(".")[2] + "==")


def test_what_no_key_could_save_asks_for_none() -> None:
    asked: list[str] = []

    def fetch(trust: IssuerTrust) -> Fetched:
        asked.append(trust.issuer)
        return Fetched(jwks(), 300)

    guarding = Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=fetch)
    for changes in ({"exp": FromNow(-60)}, {"aud": "other"}, {"iss": "https://evil.test"}, {"sub": None}):
        check(guarding, token({"kid": "made up"}, **changes))
    check(guarding, signed(b"{}"))
    assert not asked
    assert guarding.validate(token())
    assert asked == [ISSUER]
