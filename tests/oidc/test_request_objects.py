"""Request objects by value: what is inside wins, what is not as registered is refused, nothing is ever ignored (Core §6.1, RFC 9101)."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.oidc.conftest import Relying
from tests.oidc.objects import JWKS, KEYS, about, signed, unsigned
from tests.oidc.rp import FLOWS, Flow, RelyingParty, Sent, received
from tests.support.flows import App, Browser, Page
from tests.support.running import CliError, RunningIdp

OUTSIDE = ("client_id", "response_type", "scope", "redirect_uri")
"""What the conformance suite, too, sends beside an object."""


@pytest.fixture(scope="session")
def signing(relying: Relying) -> RelyingParty:
    """A client with keys that registered no algorithm."""
    return relying("code", jwks=JWKS)


def packed(party: RelyingParty, sent: Sent, token: str, keep: tuple[str, ...] = OUTSIDE, **outside: str) -> str:
    """The URL of a request whose parameters lie in an object."""
    kept = {name: value for name, value in sent.parameters.items() if name in keep}
    return f"{party.idp}/oauth/authorize?{urlencode({**kept, 'request': token, **outside})}"


def claims_of(party: RelyingParty, sent: Sent, **changes: Any) -> dict[str, Any]:
    given = about(party.client_id, party.issuer, **{**sent.parameters, **changes})
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_an_unsigned_object_is_honoured(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported"""
    party = relying(flow)
    sent = party.start()
    answer = party.received(signed_in.open(packed(party, sent, unsigned(sent.parameters))))
    party.finish(sent, answer)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_the_redirect_uri_inside_counts_and_not_the_bad_one_outside(
    relying: Relying, signed_in: Browser, flow: Flow
) -> None:
    """oidcc-ensure-request-object-with-redirect-uri"""
    party = relying(flow)
    sent = party.start()
    url = packed(party, sent, unsigned(sent.parameters), redirect_uri="https://evil.test/cb")
    party.finish(sent, party.received(signed_in.open(url)))


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("typ", [None, "JWT", "oauth-authz-req+jwt", "OAuth-Authz-Req+JWT"])
def test_a_signed_object_is_honoured(signing: RelyingParty, signed_in: Browser, alg: str, typ: str | None) -> None:
    sent = signing.start()
    url = packed(signing, sent, signed(claims_of(signing, sent), alg, typ=typ))
    signing.finish(sent, signing.received(signed_in.open(url)))


def test_parameters_inside_are_worth_as_much_as_outside(signing: RelyingParty, signed_in: Browser) -> None:
    sent = signing.start(
        scope="openid email", max_age=0, claims='{"userinfo":{"nickname":null}}', prompt="none", state="outer"
    )
    inner = claims_of(
        signing,
        sent,
        max_age=10000,
        claims={"id_token": {"nickname": {"essential": True}}},
        resource=[signing.issuer],
        state="inner",
        nonce="inner",
    )
    outside = tuple(sent.parameters)
    answer = signing.received(signed_in.open(packed(signing, sent, signed(inner), outside)))
    assert answer["state"] == "inner"
    sent.parameters.update(state="inner", nonce="inner")
    tokens = signing.finish(sent, answer)
    assert tokens.identity["nickname"] == "Countess"
    assert signing.userinfo(tokens.access[0]).json().keys() == {"sub", "email", "email_verified"}


def test_what_is_only_outside_counts_for_openid_requests(signing: RelyingParty, signed_in: Browser) -> None:
    """OpenID Connect Core §6.1"""
    sent = signing.start()
    inner = {name: sent.parameters[name] for name in ("nonce", "redirect_uri")}
    token = signed(about(signing.client_id, signing.issuer, **inner))
    signing.finish(sent, signing.received(signed_in.open(packed(signing, sent, token, tuple(sent.parameters)))))


def test_what_is_only_outside_does_not_count_for_others(signing: RelyingParty, signed_in: Browser) -> None:
    """RFC 9101 §6.3, fapi2-...-state-only-outside-request-object-not-used"""
    sent = signing.start(scope="email", nonce=None)
    inner = claims_of(signing, sent, state=None)
    answer = signing.received(signed_in.open(packed(signing, sent, signed(inner), ("client_id",), state="outer")))
    assert answer.keys() == {"code", "iss"}


def test_a_request_with_an_object_may_be_posted(signing: RelyingParty, agent: Browser) -> None:
    sent = signing.start()
    path, _, query = packed(signing, sent, signed(claims_of(signing, sent))).partition("?")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    waiting = requests.post(path, data=query, headers=form, allow_redirects=False)
    assert waiting.status_code == 303
    page = Page(agent.open(waiting.headers["Location"]))
    answer = agent.submit(page, "login", username="ada", password="correct horse 47 staple")
    signing.finish(sent, signing.received(answer))


NOW = int(time.time())
STRANGER = KEYS["ES256"].generate_key("P-256", {"kid": "ec"})
FAULTS: dict[str, dict[str, Any]] = {
    "another issuer of it": {"iss": "somebody"},
    "another client": {"client_id": "somebody"},
    "another audience": {"aud": "https://other.test"},
    "another audience in a list": {"aud": ["https://other.test"]},
    "an audience that is none": {"aud": 5},
    "expired": {"exp": NOW - 1},
    "an expiry that is none": {"exp": "soon"},
    "not yet valid": {"nbf": NOW + 3600},
    "issued in the future": {"iat": NOW + 3600},
    "a time that is none": {"nbf": True},
    "an object within": {"request": "x"},
    "a reference within": {"request_uri": "https://x.test"},
    "an empty reference within": {"request_uri": None},
    "another response type": {"response_type": "id_token"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_object_that_does_not_fit_is_refused(signing: RelyingParty, signed_in: Browser, fault: str) -> None:
    sent = signing.start()
    claims = {**claims_of(signing, sent), **FAULTS[fault]}
    answer = signing.received(signed_in.open(packed(signing, sent, signed(claims), (*OUTSIDE, "state"))))
    assert (answer["error"], answer["state"]) == ("invalid_request_object", sent.parameters["state"])
    assert answer["error_description"].isascii()
    assert not set(answer["error_description"]) & set('"\\')


def test_an_object_for_several_audiences_is_ours_too(signing: RelyingParty, signed_in: Browser) -> None:
    sent = signing.start()
    token = signed(claims_of(signing, sent, aud=["https://other.test", signing.issuer]))
    signing.finish(sent, signing.received(signed_in.open(packed(signing, sent, token))))


def test_only_the_clients_own_signature_counts(signing: RelyingParty, signed_in: Browser) -> None:
    sent = signing.start()
    claims = claims_of(signing, sent)
    good = signed(claims, "ES256")
    head, body, signature = good.split(".")
    other = signed({**claims, "scope": "openid phone"}, "ES256").split(".")[1]
    bad = [
        signed(claims, "ES256", key=STRANGER),
        signed(claims, "ES256", kid="unknown"),
        signed(claims, typ="at+jwt"),
        signed(claims, typ="dpop+jwt"),
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        unsigned(claims)[:-1] + f".{signature}",
        unsigned(claims, typ="at+jwt"),
        unsigned(claims, typ=[]),
        unsigned(claims, typ={}),
        unsigned(claims, crit=["x"]),
        unsigned("[]"),
        unsigned("{"),
        unsigned('{"state":"a","state":"b"}'),
        unsigned('{"a":' + "[" * 200 + "]" * 200 + "}"),
        "x",
        "..",
        "e30.e30.",
        "é.é.",
    ]
    for token in bad:
        answer = signing.received(signed_in.open(packed(signing, sent, token)))
        assert answer["error"] == "invalid_request_object", token


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 2049, "a\nb"], ids=["control", "surrogate", "long", "line"])
def test_a_text_inside_is_no_more_than_a_parameter(signing: RelyingParty, signed_in: Browser, value: str) -> None:
    sent = signing.start()
    for token in (unsigned({**sent.parameters, "state": value}), signed(claims_of(signing, sent, state=value))):
        answer = signing.received(signed_in.open(packed(signing, sent, token)))
        assert answer["error"] in {"invalid_request", "invalid_request_object"}
        assert "state" not in answer


def test_a_client_signs_with_the_algorithm_it_registered(relying: Relying, signed_in: Browser) -> None:
    party = relying("code", jwks=JWKS, request_object_signing_alg="PS256")
    sent = party.start()
    claims = claims_of(party, sent)
    for token in (signed(claims, "RS256"), signed(claims, "ES256"), unsigned(claims)):
        assert party.received(signed_in.open(packed(party, sent, token)))["error"] == "invalid_request_object"
    party.finish(sent, party.received(signed_in.open(packed(party, sent, signed(claims, "PS256")))))


def test_a_client_that_registered_none_does_not_sign(relying: Relying, signed_in: Browser) -> None:
    party = relying("code", jwks=JWKS, request_object_signing_alg="none")
    sent = party.start()
    claims = claims_of(party, sent)
    assert party.received(signed_in.open(packed(party, sent, signed(claims))))["error"] == "invalid_request_object"
    party.finish(sent, party.received(signed_in.open(packed(party, sent, unsigned(claims)))))


def test_a_client_that_must_sign_cannot_leave_it(relying: Relying, signed_in: Browser) -> None:
    """RFC 9101 §10.5"""
    party = relying("code", jwks=JWKS, require_signed_request_object=True)
    sent = party.start()
    assert party.received(signed_in.open(sent.url))["error"] == "invalid_request"
    token = unsigned(claims_of(party, sent))
    assert party.received(signed_in.open(packed(party, sent, token)))["error"] == "invalid_request_object"
    party.finish(sent, party.received(signed_in.open(packed(party, sent, signed(claims_of(party, sent))))))
    elsewhere = signed(about(party.client_id, party.issuer, redirect_uri=party.redirect_uri))
    answer = party.received(signed_in.open(packed(party, sent, elsewhere, tuple(sent.parameters))))
    assert (answer["error"], answer.get("state")) == ("invalid_request", None)


def test_the_default_profile_takes_signed_objects_only(op: RunningIdp, relying: Relying, signed_in: Browser) -> None:
    party = relying("code", jwks=JWKS, security_profile="oauth21")
    sent = party.start()
    token = unsigned(claims_of(party, sent))
    assert party.received(signed_in.open(packed(party, sent, token)))["error"] == "invalid_request_object"
    party.finish(sent, party.received(signed_in.open(packed(party, sent, signed(claims_of(party, sent))))))


def test_no_object_leads_anywhere_else_than_to_a_registered_address(signing: RelyingParty, signed_in: Browser) -> None:
    sent = signing.start()
    token = signed(claims_of(signing, sent, redirect_uri="https://evil.test/cb"))
    response = signed_in.open(packed(signing, sent, token))
    assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_redirect_uri")
    response = signed_in.open(packed(signing, sent, "broken", redirect_uri="https://evil.test/cb"))
    assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_redirect_uri")


def test_an_error_goes_where_the_object_says_once_it_is_read(relying: Relying, signed_in: Browser) -> None:
    party = relying("code id_token")
    sent = party.start()
    token = unsigned({**sent.parameters, "response_mode": "form_post", "prompt": "dance", "state": "inside"})
    response = signed_in.open(packed(party, sent, token))
    answer = received(response, party.redirect_uri, "form_post")
    assert (answer["error"], answer["state"]) == ("invalid_request", "inside")


BAD: list[dict[str, Any]] = [
    {"request_object_signing_alg": "HS256"},
    {"request_object_signing_alg": "RS256"},
    {"require_signed_request_object": True},
    {"require_signed_request_object": "yes"},
    {"require_signed_request_object": True, "jwks": JWKS, "request_object_signing_alg": "none"},
    {"security_profile": "oauth21", "request_object_signing_alg": "none"},
    {"request_uris": "https://x.test/r"},
    {"request_uris": ["http://x.test/r"]},
    {"request_uris": ["ftp://x.test/r"]},
    {"request_uris": [f"https://x.test/{'x' * 500}"]},
]


@pytest.mark.parametrize("change", BAD, ids=" ".join)
def test_what_a_client_cannot_do_it_cannot_register(op: RunningIdp, change: dict[str, Any]) -> None:
    with pytest.raises(CliError, match="request"):
        op.client(**{"redirect_uris": ["https://x.test/cb"], "security_profile": "oidc", **change})


def test_objects_are_announced(op: RunningIdp) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{op.url}/.well-known/{path}").json()
        assert document["request_parameter_supported"] is True
        assert document["request_uri_parameter_supported"] is True
        assert document["require_request_uri_registration"] is True
        assert {"none", "RS256", "PS256", "ES256"} <= set(document["request_object_signing_alg_values_supported"])


def test_the_client_is_told_which_way_to_choose(op: RunningIdp, relying: Relying, signed_in: Browser) -> None:
    party = relying("code", jwks=JWKS)
    sent = party.start()
    url = packed(party, sent, signed(claims_of(party, sent)), request_uri="https://x.test/r")
    assert party.received(signed_in.open(url))["error"] == "invalid_request"


def test_registration_in_the_request_is_not_supported_and_not_ignored(app: App, signed_in: Browser) -> None:
    assert received(signed_in.open(app.authorize_url(registration="{}")[0]), app.redirect_uri, "query")["error"] == (
        "registration_not_supported"
    )


@pytest.fixture
def app(op: RunningIdp, relying: Relying) -> App:
    return relying("code")
