"""What an API says of itself, and that every challenge says where (RFC 9728)."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from token_guard import DetailsNeed, Guard, GuardError, IssuerTrust, Needs
from token_guard.fetch import Fetched
from token_guard.resource_metadata import signed, well_known_url

from tests.guard.minting import AUDIENCE, ISSUER, jwks, token

NEEDS = (
    Needs(scopes=("payments:read",)),
    Needs(scopes=("payments:write", "payments:read"), details=DetailsNeed(type="payment_initiation")),
    Needs(),
)


def guard(**options: Any) -> Guard:
    service = IssuerTrust("svc-orders", AUDIENCE, jwks=json.loads(jwks()))
    return Guard(
        IssuerTrust(ISSUER, AUDIENCE), service, fetch=lambda _trust: Fetched(jwks(), 300), resource=AUDIENCE, **options
    )


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://api.test", "https://api.test/.well-known/oauth-protected-resource"),
        ("https://api.test/", "https://api.test/.well-known/oauth-protected-resource"),
        ("https://api.test/a/b", "https://api.test/.well-known/oauth-protected-resource/a/b"),
        ("https://api.test:8443/a?b=c", "https://api.test:8443/.well-known/oauth-protected-resource/a?b=c"),
        ("http://127.0.0.1:8001/payments", "http://127.0.0.1:8001/.well-known/oauth-protected-resource/payments"),
    ],
)
def test_the_well_known_part_goes_between_host_and_path(resource: str, url: str) -> None:
    assert well_known_url(resource) == url


@pytest.mark.parametrize("resource", ["http://api.test", "urn:api", "api", "https://api.test/#x", "https:///x"])
def test_a_resource_is_a_url_of_a_host(resource: str) -> None:
    with pytest.raises(ValueError):
        Guard(IssuerTrust(ISSUER, "the-api"), resource=resource)


def test_the_document_is_derived_from_trust_and_needs() -> None:
    assert guard().metadata(NEEDS, resource_name="Payments", resource_documentation="") == {
        "resource": AUDIENCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["payments:read", "payments:write"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "RS256", "PS256", "Ed25519", "EdDSA"],
        "authorization_details_types_supported": ["payment_initiation"],
        "resource_name": "Payments",
    }
    assert "dpop_signing_alg_values_supported" not in guard(bearer_only=True).metadata()
    with pytest.raises(ValueError, match="resource"):
        Guard(IssuerTrust(ISSUER, AUDIENCE)).metadata()


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_the_document_may_be_signed(algorithm: str) -> None:
    key: Any = generate_private_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()
    document = guard().metadata(NEEDS)
    told = signed(document, key=key, kid="k1", algorithm=algorithm)
    verifier = jwt.PyJWS()
    verifier.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())
    payload = json.loads(verifier.decode(told["signed_metadata"], key.public_key(), [algorithm]))
    assert payload == {"iss": AUDIENCE, **document}
    assert {name: value for name, value in told.items() if name != "signed_metadata"} == document
    assert jwt.get_unverified_header(told["signed_metadata"])["kid"] == "k1"


def test_every_challenge_says_where_the_metadata_is() -> None:
    guarding = guard()
    where = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'
    algorithms = 'algs="ES256 RS256 PS256 Ed25519 EdDSA"'
    with pytest.raises(GuardError) as caught:
        guarding.authenticate(None)
    assert caught.value.headers() == {"WWW-Authenticate": f"Bearer {where}, DPoP {algorithms}, {where}"}
    for presented, needs in ((token(exp=5), Needs()), (token(), Needs(scopes=("x",))), (token(), Needs(max_age=1))):
        with pytest.raises(GuardError) as caught:
            guarding.validate(presented, needs)
        assert caught.value.headers()["WWW-Authenticate"].count(where) == 2
    with pytest.raises(GuardError) as caught:
        guarding.require(guarding.validate(token()), Needs(scopes=("x",)))
    assert where in caught.value.headers()["WWW-Authenticate"]


def test_what_is_quoted_cannot_leave_its_quotes() -> None:
    guarding = guard(realm='a"b\\c\r\nSet-Cookie: x')
    with pytest.raises(GuardError) as caught:
        guarding.authenticate(None)
    challenge = caught.value.headers()["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="a\\"b\\\\cSet-Cookie: x", ')
    assert challenge.isprintable()
