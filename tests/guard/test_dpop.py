"""DPoP: proofs that hold, and everything that does not prove what it should (RFC 9449)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from token_guard import Check, Dpop, Guard, GuardError, IssuerTrust, Needs, Nonces, Presented
from token_guard.dpop import jwk_thumbprint, verify_proof
from token_guard.uris import normalised

from tests.guard.minting import AUDIENCE, FromNow, by_hand, ecdsa, raw, token
from tests.guard.proofs import HOLDER, HOLDERS, OTHER, PATH, bound, digest, guard, proof, request
from tests.support.clocks import ManualClock

ALGS = 'algs="ES256 RS256 PS256 Ed25519 EdDSA"'


def refusal(presented: Presented, needs: Needs | None = None, **options: Any) -> GuardError:
    with pytest.raises(GuardError) as caught:
        guard(**options).admit(presented, needs or Needs())
    return caught.value


@pytest.mark.parametrize("alg", list(HOLDERS))
def test_who_holds_the_key_may_pass(alg: str) -> None:
    key = HOLDERS[alg]
    presented = bound(key)
    admission = guard().admit(request(presented, proof(presented, key=key, alg=alg)))
    assert admission.principal.is_bound
    assert admission.headers == {}


def test_the_proof_of_the_specification_holds() -> None:
    """RFC 9449 §7.1, its key's thumbprint from §6.1."""
    example = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVV"
        "FVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWoz"
        "Vl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU"
        "2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPTo"
        "A1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    verified = verify_proof(
        proof=example,
        method="GET",
        url="https://resource.example.org/protectedresource",
        token="Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        thumbprint="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        policy=Dpop(),
        now=1562262618,
    )
    assert verified.jti == "e1j3V_bKic8-LAEB"


def test_the_thumbprint_of_the_specification() -> None:
    """RFC 7638 §3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1"
        "n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jwk_thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


GOOD = bound(exp=FromNow(12 * 3600))
WRONG_CLAIMS: list[tuple[str, dict[str, Any], Check]] = [
    ("another method", {"htm": "POST"}, Check.PROOF_REQUEST),
    ("the method in small letters", {"htm": "get"}, Check.PROOF_REQUEST),
    ("no method", {"htm": None}, Check.PROOF_REQUEST),
    ("a list of methods", {"htm": ["GET"]}, Check.PROOF_REQUEST),
    ("another path", {"htu": AUDIENCE + "/orders"}, Check.PROOF_REQUEST),
    ("a deeper path", {"htu": AUDIENCE + PATH + "/"}, Check.PROOF_REQUEST),
    ("another host", {"htu": "https://evil.test/payments"}, Check.PROOF_REQUEST),
    ("another scheme", {"htu": "http://api.test/payments"}, Check.PROOF_REQUEST),
    ("another port", {"htu": "https://api.test:8443/payments"}, Check.PROOF_REQUEST),
    ("a name before the host", {"htu": "https://api.test@evil.test/payments"}, Check.PROOF_REQUEST),
    ("a user in the URL", {"htu": "https://user@api.test/payments"}, Check.PROOF_REQUEST),
    ("a path alone", {"htu": PATH}, Check.PROOF_REQUEST),
    ("no URL", {"htu": None}, Check.PROOF_REQUEST),
    ("a URL of a wrong port", {"htu": "https://api.test:99999/payments"}, Check.PROOF_REQUEST),
    ("a broken address", {"htu": "https://[::1/payments"}, Check.PROOF_REQUEST),
    ("a URL with a newline", {"htu": "https://api.test/pay\nments"}, Check.PROOF_REQUEST),
    ("a number for a URL", {"htu": 1}, Check.PROOF_REQUEST),
    ("an old time", {"iat": FromNow(-90)}, Check.PROOF_TIME),
    ("a time to come", {"iat": FromNow(90)}, Check.PROOF_TIME),
    ("no time", {"iat": None}, Check.PROOF_TIME),
    ("a text for a time", {"iat": "now"}, Check.PROOF_TIME),
    ("a truth for a time", {"iat": True}, Check.PROOF_TIME),
    ("a huge time", {"iat": 1e300}, Check.PROOF_TIME),
    ("its own end passed", {"exp": FromNow(-120)}, Check.PROOF_TIME),
    ("its own start ahead", {"nbf": FromNow(120)}, Check.PROOF_TIME),
    ("an end that is none", {"exp": []}, Check.PROOF_TIME),
    ("another token's hash", {"ath": digest("another")}, Check.PROOF_ATH),
    ("no token's hash", {"ath": None}, Check.PROOF_ATH),
    ("a hash in hex", {"ath": "00" * 32}, Check.PROOF_ATH),
    ("a number for a hash", {"ath": 1}, Check.PROOF_ATH),
    ("no id", {"jti": None}, Check.PROOF),
    ("an empty id", {"jti": ""}, Check.PROOF),
    ("a number for an id", {"jti": 7}, Check.PROOF),
    ("a huge id", {"jti": "x" * 300}, Check.PROOF),
]


@pytest.mark.parametrize(("changes", "check"), [one[1:] for one in WRONG_CLAIMS], ids=[one[0] for one in WRONG_CLAIMS])
def test_a_proof_of_something_else_is_refused(changes: dict[str, Any], check: Check) -> None:
    error = refusal(request(GOOD, proof(GOOD, **changes)))
    assert (error.status, error.code, error.check) == (401, "invalid_dpop_proof", check)
    description = 'error_description="The DPoP proof is not valid"'
    assert error.headers() == {"WWW-Authenticate": f'Bearer, DPoP error="invalid_dpop_proof", {description}, {ALGS}'}


PUBLIC = HOLDER.as_dict(private=False)
WEAK = RSAKey.generate_key(1024)
HEADERS: dict[str, dict[str, Any]] = {
    "no type": {"typ": None},
    "an access token's type": {"typ": "at+jwt"},
    "a number for a type": {"typ": 1},
    "no key": {"jwk": None},
    "a text for a key": {"jwk": "key"},
    "a list for a key": {"jwk": [PUBLIC]},
    "an empty key": {"jwk": {}},
    "a private key": {"jwk": HOLDER.as_dict(private=True)},
    "a shared secret": {"jwk": OctKey.generate_key(256).as_dict()},
    "a key of no type": {"jwk": {**PUBLIC, "kty": None}},
    "a key of a list of types": {"jwk": {**PUBLIC, "kty": ["EC"]}},
    "an unknown curve": {"jwk": {**PUBLIC, "crv": "P-257"}},
    "another curve": {"jwk": ECKey.generate_key("P-384").as_dict(private=False)},
    "a point off the curve": {"jwk": {**PUBLIC, "y": PUBLIC["x"]}},
    "a point cut short": {"jwk": {**PUBLIC, "x": "AAAA"}},
    "a number for a point": {"jwk": {**PUBLIC, "x": 5}},
    "a point of bad letters": {"jwk": {**PUBLIC, "x": "é" * 43}},
    "a key that is not the signer's": {"jwk": OTHER.as_dict(private=False)},
    "an RSA key": {"jwk": HOLDERS["RS256"].as_dict(private=False)},
    "an RSA key of a strange exponent": {"jwk": {**HOLDERS["RS256"].as_dict(private=False), "e": "AQ"}},
    "a weak RSA key": {"jwk": WEAK.as_dict(private=False)},
    "an endless RSA key": {"jwk": {"kty": "RSA", "e": "AQAB", "n": "_" * 4000}},
    "a key for another algorithm": {"jwk": {**PUBLIC, "alg": "ES384"}},
    "no algorithm": {"alg": None},
    "none for an algorithm": {"alg": "none"},
    "a secret's algorithm": {"alg": "HS256"},
    "an unknown algorithm": {"alg": "XS256"},
    "critical": {"crit": ["exp"]},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_a_proof_with_a_strange_header_is_refused(header: dict[str, Any]) -> None:
    members = {"typ": "dpop+jwt", "alg": "ES256", "jwk": PUBLIC, **header}
    payload = proof(GOOD).split(".")[1]
    kept = {name: value for name, value in members.items() if value is not None}
    made = _hand_made(json.dumps(kept).encode(), payload)
    error = refusal(request(GOOD, made))
    assert (error.status, error.code, error.check) == (401, "invalid_dpop_proof", Check.PROOF)


def _hand_made(header: bytes, payload: str) -> str:
    claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return by_hand(header, claims, lambda text: ecdsa(HOLDER, text))


SHAPES = {
    "nothing": "",
    "a word": "proof",
    "dots": "..",
    "two parts": proof(GOOD).rpartition(".")[0],
    "five parts": proof(GOOD) + ".a.b",
    "not base64": proof(GOOD)[:-1] + "*",
    "not ASCII": proof(GOOD) + "é",
    "too long": proof(GOOD) + "A" * 9000,
    "a list": raw(b"[]", b"[]"),
    "deep": raw(b"[" * 900, b"{}"),
    "bytes": raw(b"\xff", b"\xfe"),
    "the token": GOOD,
    "two in one": f"{proof(GOOD)}, {proof(GOOD)}",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_what_is_no_proof_is_refused(shape: str) -> None:
    error = refusal(request(GOOD, shape))
    assert (error.status, error.code, error.check) == (401, "invalid_dpop_proof", Check.PROOF)


def test_one_proof_and_no_more() -> None:
    for proofs in ((), (proof(GOOD), proof(GOOD))):
        error = refusal(request(GOOD, *proofs))
        assert (error.status, error.code) == (401, "invalid_dpop_proof")


def test_somebody_elses_key_proves_nothing() -> None:
    error = refusal(request(GOOD, proof(GOOD, key=OTHER)))
    assert (error.status, error.code, error.check) == (401, "invalid_dpop_proof", Check.PROOF_KEY)


def test_a_bound_token_is_no_bearer_token() -> None:
    error = refusal(request(GOOD, scheme="Bearer"))
    assert (error.status, error.code, error.check) == (401, "invalid_token", Check.BINDING)
    told = error.headers()["WWW-Authenticate"]
    assert told.startswith('Bearer error="invalid_token", error_description="The access token is bound to a key: ')
    assert told.endswith(f", DPoP {ALGS}")
    assert refusal(request(GOOD, proof(GOOD), scheme="Bearer")).check is Check.BINDING


def test_a_token_that_is_not_bound_does_not_come_with_the_dpop_scheme() -> None:
    error = refusal(request(token(), proof(token())))
    assert (error.status, error.code, error.check) == (401, "invalid_token", Check.BINDING)


@pytest.mark.parametrize("cnf", [{"jwk": PUBLIC}, {"kid": "x"}, {"jkt": 5}, {"jkt": HOLDER.thumbprint(), "x": "y"}, {}])
def test_a_binding_nobody_here_can_check_is_refused(cnf: Any) -> None:
    presented = bound(cnf=cnf)
    error = refusal(request(presented, proof(presented)))
    assert (error.status, error.code) == (401, "invalid_token")


def test_an_api_for_bearer_tokens_offers_nothing_else() -> None:
    error = refusal(request(GOOD, proof(GOOD)), bearer_only=True)
    assert (error.status, error.code) == (401, "invalid_token")
    assert "DPoP" not in error.headers()["WWW-Authenticate"].replace("with the DPoP scheme", "")
    assert guard(bearer_only=True).authenticate(f"Bearer {token()}")


def test_an_operation_may_want_bound_tokens_only() -> None:
    error = refusal(request(token(), scheme="Bearer"), Needs(bound=True))
    assert (error.status, error.code, error.check) == (401, "invalid_token", Check.SENDER)
    assert guard().admit(request(GOOD, proof(GOOD)), Needs(bound=True))


def test_a_proof_serves_once_and_only_what_passed_uses_it_up() -> None:
    guarding, once = guard(), proof(GOOD)
    with pytest.raises(GuardError) as caught:
        guarding.admit(request(GOOD, once), Needs(scopes=("delete",)))
    assert caught.value.code == "insufficient_scope"
    assert guarding.admit(request(GOOD, once))
    with pytest.raises(GuardError) as caught:
        guarding.admit(request(GOOD, once))
    assert (caught.value.code, caught.value.check) == ("invalid_dpop_proof", Check.PROOF_REPLAY)


def test_two_keys_may_choose_the_same_id() -> None:
    guarding = guard()
    for key in (HOLDER, OTHER):
        presented = bound(key)
        assert guarding.admit(request(presented, proof(presented, key=key, jti="same")))


def test_a_nonce_is_asked_for_given_and_renewed() -> None:
    clock, secrets = ManualClock(), (b"s" * 32,)
    guarding = guard(Dpop(nonces=Nonces(secrets)), now=clock.precise)
    another_node = guard(Dpop(nonces=Nonces((b"n" * 32, *secrets))), now=clock.precise)
    with pytest.raises(GuardError) as caught:
        guarding.admit(request(GOOD, proof(GOOD)))
    assert (caught.value.status, caught.value.code) == (401, "use_dpop_nonce")
    nonce = caught.value.headers()["DPoP-Nonce"]
    assert 'DPoP error="use_dpop_nonce"' in caught.value.headers()["WWW-Authenticate"]
    assert guarding.admit(request(GOOD, proof(GOOD, nonce=nonce))).headers == {}
    assert another_node.admit(request(GOOD, proof(GOOD, nonce=nonce)))
    clock.advance(200)
    later = bound(exp=clock.now() + 300)
    renewed = guarding.admit(request(later, proof(later, nonce=nonce, iat=clock.now()))).headers["DPoP-Nonce"]
    clock.advance(150)
    with pytest.raises(GuardError) as caught:
        guarding.admit(request(later, proof(later, nonce=nonce, iat=clock.now())))
    assert caught.value.check is Check.PROOF_NONCE
    assert guarding.admit(request(later, proof(later, nonce=renewed, iat=clock.now())))


@pytest.mark.parametrize("nonce", [None, "", "A" * 32, "é" * 32, "x" * 31, 5, ["a"], "*" * 32])
def test_a_nonce_that_is_not_ours_is_answered_with_one_that_is(nonce: Any) -> None:
    error = refusal(request(GOOD, proof(GOOD, nonce=nonce)), dpop=Dpop(nonces=Nonces((b"s" * 32,))))
    assert (error.code, error.check) == ("use_dpop_nonce", Check.PROOF_NONCE)
    stranger = Nonces((b"t" * 32,)).make(0)
    assert Nonces((b"s" * 32,)).age(stranger, 0) is None


def test_a_secret_for_nonces_is_long_and_not_shown() -> None:
    for secrets in ((), (b"short",)):
        with pytest.raises(ValueError, match="32 bytes"):
            Nonces(secrets)
    assert "ssss" not in repr(Nonces((b"s" * 32,)))


SAME = [
    ("https://api.test/payments", "HTTPS://API.test:443/payments?x=1#y"),
    ("https://api.test", "https://api.test/"),
    ("https://api.test/a/b", "https://api.test/a/./c/../b"),
    ("https://api.test/a/", "https://api.test/a/b/.."),
    ("https://api.test/%7Euser", "https://api.test/~user"),
    ("https://api.test/a%2fb", "https://api.test/a%2Fb"),
    ("https://api.test/a:b", "https://api.test/a%3ab"),
    ("http://[::1]:80/a", "http://[::1]/a"),
    ("https://api.test/%2e%2e/a", "https://api.test/a"),
]
DIFFERENT = [
    ("https://api.test/a%2Fb", "https://api.test/a/b"),
    ("https://api.test/a", "https://api.test/A"),
    ("https://api.test/a//b", "https://api.test/a/b"),
    ("https://api.test/a%25b", "https://api.test/a%b0"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_place(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_places(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_the_url_is_the_one_clients_see() -> None:
    behind = guard(base_url="https://public.test/api/")
    assert behind.admit(request(GOOD, proof(GOOD, htu="https://public.test/api/payments")))
    with pytest.raises(ValueError, match="base_url"):
        Guard(IssuerTrust("https://id.test", "urn:api"), dpop=Dpop())
