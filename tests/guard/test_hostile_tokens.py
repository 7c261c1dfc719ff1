"""What the guard lets through, and the many ways to be refused: one line a trick."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

import pytest
from token_guard import Guard, GuardError, IssuerTrust, Needs
from token_guard.fetch import Fetched

from tests.guard.minting import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    PSS,
    RSA,
    STRANGER,
    FromNow,
    by_hand,
    claims,
    guard,
    jwks,
    raw,
    signed,
    token,
)

DPOP = 'DPoP algs="ES256 RS256 PS256 Ed25519 EdDSA"'


def refusal(presented: str, **trust: Any) -> tuple[int, str]:
    with pytest.raises(GuardError) as caught:
        guard(**trust).validate(presented)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("key", [EC, RSA, PSS, ED], ids=["ES256", "RS256", "PS256", "Ed25519"])
def test_a_good_token_says_who_calls(key: Any) -> None:
    principal = guard().validate(token(key=key, roles=["admin"], auth_time=1_700_000_000, acr="1fa"))
    assert (principal.issuer, principal.subject, principal.client_id) == (ISSUER, "person-1", "app")
    assert (principal.scopes, principal.roles) == ({"read", "write"}, {"admin"})
    assert (principal.auth_time, principal.acr, principal.token_id) == (1_700_000_000, "1fa", "token-1")
    assert not principal.is_service


def test_a_service_calls_for_itself() -> None:
    assert guard().validate(token(sub="app")).is_service


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://other.test", AUDIENCE]], ids=["text", "list", "among"])
def test_the_audience_may_be_a_list(aud: Any) -> None:
    assert guard().validate(token(aud=aud)).subject == "person-1"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_has_two_spellings_in_any_case(typ: str) -> None:
    assert guard().validate(token({"typ": typ}))


def test_clocks_may_differ_a_little() -> None:
    assert guard().validate(token(exp=FromNow(-5)))
    assert guard().validate(token(iat=FromNow(5), nbf=FromNow(5)))


WRONG_CLAIMS: list[tuple[str, Any]] = [
    ("iss", "https://evil.test"),
    ("iss", ISSUER + "/"),
    ("aud", "https://other.test"),
    ("aud", []),
    ("aud", ["https://other.test"]),
    ("aud", {"a": 1}),
    ("aud", [AUDIENCE, 1]),
    ("exp", FromNow(-60)),
    ("exp", str(int(time.time()) + 3600)),
    ("exp", True),
    ("exp", -1),
    ("exp", 1e300),
    ("exp", FromNow(40 * 86400)),
    ("iat", FromNow(120)),
    ("iat", "now"),
    ("nbf", FromNow(120)),
    ("nbf", []),
    ("sub", ""),
    ("sub", 5),
    ("jti", ["a"]),
    ("client_id", {}),
    ("scope", ["read"]),
    ("roles", "admin"),
    ("roles", [1]),
    ("acr", 1),
    ("auth_time", "then"),
    ("cnf", {"jkt": "x"}),
    *((name, None) for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")),
]


@pytest.mark.parametrize(("name", "value"), WRONG_CLAIMS, ids=[str(number) for number in range(len(WRONG_CLAIMS))])
def test_a_claim_that_is_missing_or_wrong_is_refused(name: str, value: Any) -> None:
    assert refusal(token(**{name: value})) == (401, "invalid_token")


HEADERS: dict[str, dict[str, Any]] = {
    "an ID token": {"typ": "JWT"},
    "no type": {"typ": None},
    "a type that is no text": {"typ": 5},
    "an event": {"typ": "secevent+jwt"},
    "critical": {"crit": ["exp"], "exp": 1},
    "a key of its own": {"jwk": EC.as_dict(private=False)},
    "a key from elsewhere": {"jku": "https://evil.test/jwks"},
    "a certificate from elsewhere": {"x5u": "https://evil.test/cert"},
    "a certificate": {"x5c": ["AAAA"]},
    "no key id": {"kid": None},
    "an empty key id": {"kid": ""},
    "a number for a key id": {"kid": 1},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_a_header_that_is_not_an_access_tokens_is_refused(header: dict[str, Any]) -> None:
    assert refusal(token(header)) == (401, "invalid_token")


def test_an_unknown_key_is_refused_once_the_keys_are_younger_than_the_token() -> None:
    assert refusal(token({"kid": "../../etc/passwd"}, iat=FromNow(-20))) == (401, "invalid_token")
    assert refusal(token({"kid": "made a moment from now"}, iat=FromNow(5))) == (503, "temporarily_unavailable")


def test_nobody_elses_key_signs() -> None:
    assert refusal(token(key=STRANGER)) == (401, "invalid_token")


def test_a_key_signs_with_its_own_algorithm_only() -> None:
    assert refusal(token({"kid": "rsa"}, PSS)) == (401, "invalid_token")
    assert refusal(token({"kid": "pss"}, RSA)) == (401, "invalid_token")
    assert refusal(token(key=RSA), algorithms=("ES256",)) == (401, "invalid_token")


@pytest.mark.parametrize("kid", ["ec", "rsa"])
def test_a_public_key_is_no_shared_secret(kid: str) -> None:
    pem = {"ec": EC, "rsa": RSA}[kid].as_pem(private=False)
    header = json.dumps({"typ": "at+jwt", "alg": "HS256", "kid": kid}).encode()
    for secret in (pem, jwks()):
        forged = by_hand(
            header, json.dumps(claims()).encode(), lambda text, secret=secret: hmac.digest(secret, text, "sha256")
        )
        assert refusal(forged) == (401, "invalid_token")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "ES512", "HS256"])
def test_an_unsigned_token_is_refused(alg: str) -> None:
    header = json.dumps({"typ": "at+jwt", "alg": alg, "kid": "ec"}).encode()
    payload = json.dumps(claims()).encode()
    for signature in (b"", b"x" * 64):
        assert refusal(raw(header, payload, signature)) == (401, "invalid_token")


def test_every_flipped_bit_of_the_signature_is_seen() -> None:
    head, payload, signature = token().split(".")
    for place in range(0, len(signature) - 1, 7):
        other = "A" if signature[place] != "A" else "B"
        flipped = signature[:place] + other + signature[place + 1 :]
        assert refusal(f"{head}.{payload}.{flipped}") == (401, "invalid_token")
    assert refusal(f"{head}.{payload}.{signature[:-4]}") == (401, "invalid_token")


def test_parts_of_two_tokens_do_not_fit_together() -> None:
    one, other = token(sub="one").split("."), token(sub="other").split(".")
    assert refusal(f"{one[0]}.{other[1]}.{one[2]}") == (401, "invalid_token")


GOOD = token(exp=FromNow(12 * 3600))
SHAPES = {
    "nothing": "",
    "dots": "..",
    "one part": GOOD.split(".")[0],
    "two parts": GOOD.rpartition(".")[0],
    "four parts": GOOD + ".AAAA",
    "an encrypted token": GOOD + ".AAAA.AAAA",
    "padded": GOOD + "=",
    "a space inside": GOOD.replace(".", ". ", 1),
    "a newline behind": GOOD + "\n",
    "not ASCII": GOOD + "é",
    "too long": GOOD + "A" * 9000,
    "garbage": "a.b.c",
    "a list for a header": raw(b"[]", json.dumps(claims()).encode()),
    "no JSON": raw(b'{"typ":"at+jwt","alg":"ES256","kid":"ec"}', b"\xff\xfe"),
}


@pytest.mark.parametrize("presented", SHAPES.values(), ids=list(SHAPES))
def test_what_is_not_shaped_like_a_token_is_refused(presented: str) -> None:
    assert refusal(presented) == (401, "invalid_token")


PAYLOADS = {
    "a name twice": json.dumps(claims())[:-1].encode() + b',"sub":"admin"}',
    "not a number": json.dumps(claims()).encode().replace(b'"jti"', b'"x":NaN,"jti"'),
    "a list": b"[]",
    "a text": b'"x"',
    "nothing": b"",
    "two documents": json.dumps(claims()).encode() + b"{}",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=list(PAYLOADS))
def test_a_signed_payload_that_is_no_plain_object_is_refused(payload: bytes) -> None:
    assert refusal(signed(payload)) == (401, "invalid_token")


@pytest.mark.parametrize("depth", [17, 100, 400, 800, 900, 950, 1000, 2500])
def test_depth_is_bounded_and_never_an_accident(depth: int) -> None:
    nested = json.dumps(claims())[:-1].encode() + b',"x":' + b"[" * depth + b"]" * depth + b"}"
    assert refusal(signed(nested)) == (401, "invalid_token")


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Negotiate x", "Bearers x"])
def test_without_a_token_there_is_a_challenge_and_no_error_code(header: str | None) -> None:
    with pytest.raises(GuardError) as caught:
        guard().authenticate(header)
    assert (caught.value.status, caught.value.code) == (401, "")
    assert caught.value.headers() == {"WWW-Authenticate": f"Bearer, {DPOP}"}


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b"])
def test_a_malformed_header_is_an_invalid_request(header: str) -> None:
    with pytest.raises(GuardError) as caught:
        guard().authenticate(header)
    assert (caught.value.status, caught.value.code) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Bearer a,Bearer b", "Bearer a, Bearer b", "Bearer a, DPoP b", "Basic a, Bearer b"])
def test_two_sets_of_credentials_are_none(header: str) -> None:
    with pytest.raises(GuardError) as caught:
        guard().authenticate(header)
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_any_case(scheme: str) -> None:
    assert guard().authenticate(f"{scheme} {GOOD}").subject == "person-1"


def test_a_missing_scope_is_named_and_what_is_there_is_not() -> None:
    guarding = Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(), 300), realm="api")
    principal = guarding.validate(GOOD)
    guarding.require(principal, Needs(scopes=("read", "write")))
    with pytest.raises(GuardError) as caught:
        guarding.require(principal, Needs(scopes=("read", "delete")))
    assert (caught.value.status, caught.value.code) == (403, "insufficient_scope")
    challenge = caught.value.headers()["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="api", error="insufficient_scope"')
    assert 'scope="read delete"' in challenge


def test_the_reason_stays_inside() -> None:
    with pytest.raises(GuardError) as caught:
        guard().validate(token(exp=FromNow(-60)))
    assert "expired" in caught.value.reason
    assert "expired" not in str(caught.value.headers()) + caught.value.description
