"""DPoP proofs: what is read, what is refused, and which addresses are the same (RFC 9449 §4)."""

from __future__ import annotations

import base64
import json
import time
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk

from idp.oauth import dpop
from idp.oauth.dpop import Bound, ProofRefused
from tests.senders.holder import KeyHolder

URL = "https://idp.test/oauth/token"
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE"
    "JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
    ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia"
    "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
"""RFC 9449 §4.2."""
RFC_JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
"""Of the same key, RFC 9449 §6.1."""
RFC_TOKEN, RFC_ATH = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
"""RFC 9449 §7.1."""
HOLDER = KeyHolder()
with warnings.catch_warnings(action="ignore"):
    WEAK = jwk.RSAKey.generate_key(1024)
OTHERS = {
    "rsa": jwk.RSAKey.generate_key(2048),
    "weak": WEAK,
    "p384": jwk.ECKey.generate_key("P-384"),
    "secret": jwk.OctKey.generate_key(256),
    "x25519": jwk.OKPKey.generate_key("X25519"),
}


def refusal(proof: str, **changes: Any) -> str:
    """The code that a proof is refused with."""
    with pytest.raises(ProofRefused) as refused:
        accept(proof, **changes)
    return refused.value.code


def accept(proof: str, **changes: Any) -> dpop.Proof:
    read = dpop.read(proof)
    given: dict[str, Any] = {"method": "POST", "urls": {URL}, "now": int(time.time()), "window": 60}
    dpop.check(read, **{**given, **changes})
    return read


def test_the_specifications_own_proof_holds() -> None:
    proof = accept(RFC_PROOF, urls={"https://server.example.com/token"}, now=1562262616)
    assert (proof.jkt, proof.jti) == (RFC_JKT, "-BwC3ESc6acc2lTc")
    assert refusal(RFC_PROOF, urls={"https://server.example.com/token"}, now=1562262677) == "invalid_dpop_proof"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", dpop.ALGORITHMS)
def test_every_announced_algorithm_proves(alg: str) -> None:
    holder = KeyHolder(alg)
    assert accept(holder.proof("POST", URL)).jkt == holder.jkt


def test_further_claims_and_fractions_do_no_harm() -> None:
    for claims in ({"nbf": 0, "exp": 1}, {"iss": "whoever"}, {"iat": time.time() + 0.5}):
        assert accept(HOLDER.proof("POST", URL, **claims))


def test_further_header_members_do_no_harm_unless_they_are_critical() -> None:
    assert accept(HOLDER.proof("POST", URL, header={"kid": "k", "vendor": 5}))
    assert refusal(_forged({"typ": "dpop+jwt", "alg": "ES256", "jwk": HOLDER.public, "crit": ["vendor"], "vendor": 5}))


def test_the_type_is_compared_without_case() -> None:
    assert accept(HOLDER.proof("POST", URL, header={"typ": "DPoP+JWT"}))


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize(
    "header",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": 5},
        {"jwk": None},
        {"jwk": "text"},
        {"jwk": {}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"jwk": HOLDER.key.as_dict(private=True)},
        {"jwk": {**HOLDER.public, "k": "AAAA"}},
        {"jwk": KeyHolder().public},
        {"jwk": {**HOLDER.public, "use": "enc"}},
        *({"jwk": key.as_dict(private=False)} for key in OTHERS.values()),
    ],
)
def test_only_a_proof_with_its_own_public_key_holds(header: dict[str, Any]) -> None:
    assert refusal(_forged({"typ": "dpop+jwt", "alg": "ES256", "jwk": HOLDER.public, **header})) == "invalid_dpop_proof"


def _forged(header: dict[str, Any]) -> str:
    """A proof with this header that the holder's key signed, whatever the header says."""
    from joserfc.jws import JWSRegistry

    good = HOLDER.proof("POST", URL).split(".")[1]
    signed = f"{_part({name: value for name, value in header.items() if value is not None})}.{good}"
    signature = JWSRegistry.algorithms["ES256"].sign(signed.encode(), HOLDER.key)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "ES384", "es256", "", None, 5, ["ES256"]])
def test_no_other_algorithm_proves(alg: Any) -> None:
    header, claims = {"typ": "dpop+jwt", "alg": alg, "jwk": HOLDER.public}, {"jti": "j", "htm": "POST", "htu": URL}
    for signature in ("AAAA", "A" * 86):
        assert refusal(f"{_part(header)}.{_part({**claims, 'iat': int(time.time())})}.{signature}")


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", 5, [], {}, True, "x" * 600, float("nan"), float("inf")])
def test_a_claim_that_is_missing_or_of_another_type_or_value_is_refused(name: str, value: Any) -> None:
    assert refusal(HOLDER.proof("POST", URL, **{name: value})) == "invalid_dpop_proof"


@pytest.mark.parametrize("name", ["ath", "nonce"])
def test_what_may_be_absent_is_text_when_present(name: str) -> None:
    assert refusal(HOLDER.proof("POST", URL, **{name: 5})) == "invalid_dpop_proof"


@pytest.mark.parametrize("seconds", [-60, -10, 10, 60])
def test_clocks_may_differ_by_the_window(seconds: int) -> None:
    now = int(time.time())
    assert accept(HOLDER.proof("POST", URL, iat=now + seconds), now=now)


@pytest.mark.parametrize("seconds", [-3600, -61, 61, 3600])
def test_clocks_may_not_differ_by_more(seconds: int) -> None:
    now = int(time.time())
    assert refusal(HOLDER.proof("POST", URL, iat=now + seconds), now=now) == "invalid_dpop_proof"


def test_a_proof_is_for_one_method_and_address() -> None:
    for changes in ({"htm": "GET"}, {"htm": "post"}, {"htu": f"{URL}/more"}, {"htu": "https://evil.test/oauth/token"}):
        assert refusal(HOLDER.proof("POST", URL, **changes)) == "invalid_dpop_proof"


def test_with_a_token_a_proof_is_for_that_token_and_its_key() -> None:
    bound = Bound(RFC_TOKEN, HOLDER.jkt)
    assert accept(HOLDER.proof("POST", URL, ath=RFC_ATH), bound=bound)
    assert refusal(HOLDER.proof("POST", URL), bound=bound) == "invalid_dpop_proof"
    assert refusal(HOLDER.proof("POST", URL, ath=RFC_ATH.lower()), bound=bound) == "invalid_dpop_proof"
    assert refusal(KeyHolder().proof("POST", URL, ath=RFC_ATH), bound=bound) == "invalid_token"


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("HTTPS://IDP.test:443/oauth/token", True),
        ("https://idp.test/oauth/token?a=b#c", True),
        ("https://idp.test/oauth/./x/../token", True),
        ("https://idp.test/%6fauth/toke%6E", True),
        ("https://idp.test/oauth%2ftoken", False),
        ("https://idp.test/oauth/Token", False),
        ("https://idp.test/oauth/token/", False),
        ("https://idp.test:444/oauth/token", False),
        ("http://idp.test/oauth/token", False),
        ("https://user@idp.test/oauth/token", False),
        ("//idp.test/oauth/token", False),
        (" https://idp.test/oauth/token", False),
        ("https://idp.test/oauth/\ttoken", False),
        ("https://idp.test:port/oauth/token", False),
        ("https://[::1/oauth/token", False),
    ],
)
def test_addresses_are_compared_in_their_normal_form(written: str, same: bool) -> None:
    assert (dpop.normal(written) == URL) is same


def test_an_empty_path_is_the_root() -> None:
    assert dpop.normal("https://idp.test") == dpop.normal("https://idp.test/") == "https://idp.test/"
    assert dpop.normal("http://[::1]:80/a/..") == "http://[::1]/"


@settings(deadline=None, max_examples=300)
@given(
    header=st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "kid", "b64"]), st.deferred(lambda: ANYTHING)),
    claims=st.deferred(lambda: ANYTHING),
)
def test_whatever_is_sent_as_a_proof_is_refused_and_nothing_breaks(header: dict[str, Any], claims: Any) -> None:
    good = {"typ": "dpop+jwt", "alg": "ES256", "jwk": HOLDER.public}
    for document in (header, {**good, **header}):
        assert refusal(f"{_part(document)}.{_part(claims)}.{'A' * 86}") == "invalid_dpop_proof"
    assert refusal(HOLDER.signed(good, claims)) == "invalid_dpop_proof"


@pytest.mark.parametrize("member", ["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid", "x5c"])
@pytest.mark.parametrize("value", [None, 5, "", "AAAA", "é", [], ["sign"], {}, {"a": [1]}, True])
def test_a_malformed_key_is_refused(member: str, value: Any) -> None:
    for jwk_document in (HOLDER.public, OTHERS["rsa"].as_dict(private=False)):
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {**jwk_document, member: value}}
        claims = {"jti": "j", "htm": "POST", "htu": URL, "iat": 1}
        assert refusal(f"{_part(header)}.{_part(claims)}.{'A' * 86}") == "invalid_dpop_proof"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "a,b", "é.é.é", "e30.e30.e30", "x" * 5000])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert refusal(text) == "invalid_dpop_proof"


def test_two_proofs_in_one_header_or_two_are_refused() -> None:
    one, two = HOLDER.proof("POST", URL), HOLDER.proof("POST", URL)
    for joined in (f"{one},{two}", f"{one}, {two}", f"{one} {two}", f"{one},", f"{one}\n"):
        assert refusal(joined) == "invalid_dpop_proof"


def test_a_changed_proof_is_refused() -> None:
    header, claims, signature = HOLDER.proof("POST", URL).split(".")
    assert refusal(f"{header}.{_part({'jti': 'j', 'htm': 'POST', 'htu': URL, 'iat': 1})}.{signature}")
    assert refusal(f"{header}.{claims}.{signature[:-4]}AAAA") == "invalid_dpop_proof"
    assert refusal(f"{base64.urlsafe_b64encode(b'[' * 2400).decode()}.{claims}.{signature}") == "invalid_dpop_proof"


def _part(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
