"""Signatures: the published examples, round trips with two other libraries, and nothing but a good token gets through."""

from __future__ import annotations

import base64
import hmac
import json
from functools import cache
from types import SimpleNamespace
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import import_key
from jwt.algorithms import OKPAlgorithm

from idp.platform import base64url
from idp.tokens import jose
from idp.tokens.imports import read_private_key
from tests.tokens import vectors

TYPES = {"at+jwt"}
CLAIMS = {"iss": "https://idp.test", "sub": "söme", "exp": 2_000_000_000, "iat": 1_900_000_000}


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def encoded(document: object) -> str:
    return base64url.encode(document if isinstance(document, bytes) else json.dumps(document).encode()).decode()


@cache
def pair(alg: str) -> tuple[jose.Signer, dict[str, Any]]:
    """A signer and its public JWK; RSA keys cost a second, so once a run."""
    key = jose.generate(alg)
    jwk = jose.public_jwk(alg, key)
    return jose.signer_of(jwk["kid"], alg, jose.private_pem(key)), jwk


def finder(*jwks: dict[str, Any]) -> jose.FindVerifier:
    return {jwk["kid"]: jose.verifier_of(jwk) for jwk in jwks}.get


def theirs(jwk: dict[str, Any]) -> Any:
    """The other library's key for a public JWK."""
    return import_key({name: value for name, value in jwk.items() if name != "alg"})


def resigned(header: object, payload: object = CLAIMS, alg: str = "ES256") -> str:
    """A token with this header, really signed with our key."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    return f"{signed}.{encoded(pair(alg)[0].sign(signed.encode()))}"


def verify(token: str, *algs: str) -> jose.Verified | None:
    return jose.verify(token, finder(*(pair(alg)[1] for alg in algs or ("ES256",))), types=TYPES)


# -- the published examples -------------------------------------------------------------------------------------------

EXAMPLES = {
    "RS256": (vectors.A2_KEY, vectors.A2_TOKEN),
    "ES256": (vectors.A3_KEY, vectors.A3_TOKEN),
    "Ed25519": (vectors.A4_KEY, vectors.A4_TOKEN),
}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", EXAMPLES)
def test_the_key_of_the_example_is_read_and_its_signature_verifies(alg: str) -> None:
    jwk, token = EXAMPLES[alg]
    found, key = read_private_key(json.dumps(jwk), None)
    assert found == alg
    header = json.loads(decoded(token.split(".")[0]))
    verified = jws.deserialize_compact(token, theirs(jose.public_jwk(alg, key)), algorithms=[header["alg"]])
    assert verified.payload == decoded(token.split(".")[1])


@pytest.mark.parametrize("alg", ["RS256", "Ed25519"])
def test_a_deterministic_signature_is_the_one_of_the_example(alg: str) -> None:
    jwk, token = EXAMPLES[alg]
    _, key = read_private_key(json.dumps(jwk), None)
    signed, _, signature = token.rpartition(".")
    assert encoded(jose.signer_of("k", alg, jose.private_pem(key)).sign(signed.encode())) == signature


def test_the_thumbprints_are_those_of_the_examples() -> None:
    numbers = import_key(vectors.THUMBPRINT_KEY).public_key
    assert jose.public_jwk("RS256", SimpleNamespace(public_key=lambda: numbers))["kid"] == vectors.THUMBPRINT  # type: ignore[arg-type]
    _, key = read_private_key(json.dumps(vectors.A4_KEY), None)
    assert jose.public_jwk("Ed25519", key)["kid"] == vectors.A4_THUMBPRINT


# -- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_what_we_sign_we_read(alg: str) -> None:
    signer, jwk = pair(alg)
    verified = verify(signer.compose("at+jwt", CLAIMS), *jose.ALGORITHMS)
    assert verified is not None
    assert verified.claims == CLAIMS
    assert verified.header == {"typ": "at+jwt", "alg": alg, "kid": jwk["kid"]}


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_what_we_sign_joserfc_and_pyjwt_read(alg: str) -> None:
    signer, jwk = pair(alg)
    token = signer.compose("at+jwt", CLAIMS)
    assert joserfc_jwt.decode(token, theirs(jwk), algorithms=[alg]).claims == CLAIMS
    reader = pyjwt.PyJWT()
    if alg == "Ed25519":
        reader._jws.register_algorithm("Ed25519", OKPAlgorithm())
        key: Any = OKPAlgorithm.from_jwk(jwk)
    else:
        key = pyjwt.PyJWK(jwk).key
    options: Any = {"verify_iat": False}
    assert reader.decode(token, key, algorithms=[alg], options=options) == CLAIMS


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_what_joserfc_signs_with_our_key_we_read(alg: str) -> None:
    key = jose.generate(alg) if alg != "PS256" else read_private_key(json.dumps(vectors.A2_KEY), "PS256")[1]
    jwk = jose.public_jwk(alg, key)
    private = jose._KEY_TYPES[alg].import_key(jose.private_pem(key))
    token = joserfc_jwt.encode({"alg": alg, "kid": jwk["kid"], "typ": "at+jwt"}, CLAIMS, private, algorithms=[alg])
    verified = jose.verify(token, finder(jwk), types=TYPES)
    assert verified is not None
    assert verified.claims == CLAIMS


def test_a_pss_salt_is_as_long_as_the_hash() -> None:
    signer, jwk = pair("PS256")
    signature = signer.sign(b"signed")
    key = theirs(jwk).public_key
    exact = padding.PSS(mgf=padding.MGF1(jose.hashes.SHA256()), salt_length=32)
    key.verify(signature, b"signed", exact, jose.hashes.SHA256())


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_a_public_jwk_has_no_private_member(alg: str) -> None:
    _, jwk = pair(alg)
    assert {"use": "sig", "alg": alg}.items() <= jwk.items()
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & jwk.keys()


def test_an_es256_signature_is_64_bytes_however_small_its_numbers_are() -> None:
    signer, _ = pair("ES256")
    assert {len(signer.sign(str(number).encode())) for number in range(600)} == {64}


# -- what is refused --------------------------------------------------------------------------------------------------


def kid(alg: str = "ES256") -> str:
    return str(pair(alg)[1]["kid"])


def good() -> dict[str, Any]:
    return {"typ": "at+jwt", "alg": "ES256", "kid": kid()}


def test_the_control_a_token_signed_here_by_hand_is_accepted() -> None:
    assert verify(resigned(good())) is not None


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "RS256", "ES384", "EdDSA", None, 5, [], {}])
def test_another_algorithm_than_the_keys_own_is_refused(alg: object) -> None:
    assert verify(resigned({**good(), "alg": alg})) is None


def test_an_unsigned_token_is_refused() -> None:
    for header in ({**good(), "alg": "none"}, good()):
        assert verify(f"{encoded(header)}.{encoded(CLAIMS)}.") is None
        assert verify(f"{encoded(header)}.{encoded(CLAIMS)}") is None


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    jwk = pair("RS256")[1]
    public = theirs(jwk).as_pem(private=False)
    signed = f"{encoded({'alg': 'HS256', 'kid': jwk['kid'], 'typ': 'at+jwt'})}.{encoded(CLAIMS)}"
    assert verify(f"{signed}.{encoded(hmac.digest(public, signed.encode(), 'sha256'))}", "RS256") is None


def test_a_key_signs_with_its_one_algorithm_only() -> None:
    """PS256 with an RS256 key, and the other way round, are valid signatures of that RSA key, and refused."""
    key = read_private_key(json.dumps(vectors.A2_KEY), None)[1]
    for own, other in (("RS256", "PS256"), ("PS256", "RS256")):
        jwk = jose.public_jwk(own, key)
        token = jose.signer_of(jwk["kid"], other, jose.private_pem(key)).compose("at+jwt", CLAIMS)
        assert jose.verify(token, finder(jwk), types=TYPES) is None
        assert jose.verify(token, finder({**jwk, "alg": other}), types=TYPES)


def test_another_key_of_ours_does_not_vouch() -> None:
    assert verify(resigned({**good(), "kid": kid("Ed25519"), "alg": "Ed25519"}), "ES256", "Ed25519") is None


@pytest.mark.parametrize("kid", [None, "", "unknown", 1, [], {}])
def test_a_token_without_a_kid_of_ours_is_refused(kid: object) -> None:
    assert verify(resigned({**good(), "kid": kid})) is None
    assert verify(vectors.A3_TOKEN) is None


@pytest.mark.parametrize(
    "typ", [None, "JWT", "", "at+jwt ", "logout+jwt", "application/application/at+jwt", 1, ["at+jwt"]]
)
def test_another_type_is_refused(typ: object) -> None:
    assert verify(resigned({**good(), "typ": typ})) is None


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT"])
def test_the_case_of_the_type_does_not_matter(typ: str) -> None:
    assert verify(resigned({**good(), "typ": typ})) is not None


EXTRAS: list[dict[str, Any]] = [
    {"crit": ["exp"], "exp": 1},
    {"crit": []},
    {"crit": "exp"},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"zip": "DEF"},
    {"cty": "JWT"},
]


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
def test_a_header_that_says_more_than_ours_do_is_refused(extra: dict[str, Any]) -> None:
    assert verify(resigned({**good(), **extra})) is None


def test_a_key_that_comes_with_the_token_is_not_used() -> None:
    stranger = jose.generate("ES256")
    jwk = jose.public_jwk("ES256", stranger)
    signer = jose.signer_of("k", "ES256", jose.private_pem(stranger))
    for hint in ({"jwk": jwk}, {"jku": "https://evil.test/jwks"}, {"x5u": "https://evil.test/x"}, {"x5c": ["AAAA"]}):
        signed = f"{encoded({**good(), **hint})}.{encoded(CLAIMS)}"
        assert verify(f"{signed}.{encoded(signer.sign(signed.encode()))}") is None


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_changed_character_breaks_the_signature(segment: int) -> None:
    token = resigned(good())
    parts = token.split(".")
    for place in range(0, len(parts[segment]) - 1, 7):
        changed = list(parts[segment])
        changed[place] = "A" if changed[place] != "A" else "B"
        assert verify(".".join([*parts[:segment], "".join(changed), *parts[segment + 1 :]])) is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b"null", b'"x"', b"{", b"\xff\xfe", b"[" * 5000], ids=repr)
def test_a_signed_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    assert verify(resigned(good(), payload)) is None


@pytest.mark.parametrize("header", [[], 1, "x", None, [1], b"{", b"\xff", b"", b"[" * 5000], ids=repr)
def test_a_header_that_is_no_object_is_refused(header: object) -> None:
    assert verify(resigned(header)) is None


def test_a_token_that_is_too_long_or_not_ascii_is_refused_before_it_is_read() -> None:
    padded = resigned(good(), {**CLAIMS, "x": "y" * jose.MAX_TOKEN})
    assert verify(padded) is None
    assert verify(resigned(good()) + "é") is None


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.binary(max_size=30), max_size=5).map(lambda p: ".".join(map(encoded, p)))
    )
)
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    assert verify(text) is None


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["typ", "alg", "kid", "crit", "b64", "zip", "enc", "jwk", "cty"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda x: st.lists(x, max_size=3)
        ),
        max_size=4,
    )
)
def test_no_header_at_all_breaks_the_reader(header: dict[str, Any]) -> None:
    changed = {**good(), **header}
    assert (verify(resigned(changed)) is None) == (changed != good())
