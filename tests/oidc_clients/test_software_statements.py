"""Software statements (RFC 7591 §2.3): what a trusted directory says about an app wins over what the app says about itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwk, jwt

from tests.oidc_clients.registering import CALLBACK, post, refusal, registered
from tests.support.published import Site
from tests.support.running import RunningIdp

DIRECTORY = "https://directory.test"
KEY = jwk.ECKey.generate_key("P-256", {"kid": "directory"})
STRANGER = jwk.ECKey.generate_key("P-256", {"kid": "directory"})
Statement = Callable[..., str]


@pytest.fixture(scope="session")
def directory() -> Iterator[Site]:
    with Site() as site:
        site.publish("/jwks", {"keys": [KEY.as_dict(private=False)]})
        yield site


@pytest.fixture(scope="session")
def trusting(registry: RunningIdp, directory: Site) -> str:
    """A node that trusts the directory."""
    return registry.node(
        software_statement_issuers=f"https://other.test=https://other.test/jwks,{DIRECTORY}={directory.url}/jwks"
    )


def statement(key: jwk.Key = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good statement, but for what `changes` says; None leaves a claim out."""
    good = {"iss": DIRECTORY, "iat": int(time.time()), "software_id": "app-1", "client_name": "Vetted App"}
    claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "directory", **(header or {})}, claims, key)


def test_what_the_statement_says_wins(trusting: str) -> None:
    said = statement(redirect_uris=[CALLBACK], client_name="Vetted App", made_up=1)
    document = registered(
        trusting,
        redirect_uris=["https://evil.test/cb"],
        client_name="Forged App",
        policy_uri="https://app.test/policy",
        software_statement=said,
    ).document
    assert document["redirect_uris"] == [CALLBACK]
    assert (document["client_name"], document["software_id"]) == ("Vetted App", "app-1")
    assert document["policy_uri"] == "https://app.test/policy"
    assert document["software_statement"] == said
    assert not {"iss", "iat", "made_up"} & document.keys()


def test_operators_decide_over_statements_too(trusting: str, registry: RunningIdp) -> None:
    client = registered(
        trusting, software_statement=statement(consent="trusted", client_id="mine", scope="admin openid")
    )
    shown = registry.cli("client", "show", client.client_id)
    assert (shown["consent"], shown["scope"]) == ("ask", "openid")
    assert client.client_id != "mine"


BAD: list[dict[str, Any]] = [
    {"key": STRANGER},
    {"header": {"alg": "ES256", "typ": "at+jwt"}},
    {"exp": int(time.time()) - 5},
    {"nbf": int(time.time()) + 3600},
    {"exp": "never"},
    {"aud": "https://somebody-else.test"},
    {"iss": None},
    {"iss": 5},
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: next(iter(change)))
def test_a_statement_that_proves_nothing_is_refused(trusting: str, change: dict[str, Any]) -> None:
    answer = post(trusting, {"redirect_uris": [CALLBACK], "software_statement": statement(**change)})
    assert refusal(answer) == "invalid_software_statement"


@pytest.mark.parametrize("value", ["x", "a.b.c", 5, [], {"iss": DIRECTORY}, "e30.e30."], ids=str)
def test_what_is_no_statement_is_refused(trusting: str, value: Any) -> None:
    answer = post(trusting, {"redirect_uris": [CALLBACK], "software_statement": value})
    assert refusal(answer) == "invalid_software_statement"


def test_a_statement_of_nobody_we_trust_is_refused(trusting: str, registry: RunningIdp) -> None:
    stranger = post(trusting, {"redirect_uris": [CALLBACK], "software_statement": statement(iss="https://nobody.test")})
    assert refusal(stranger) == "unapproved_software_statement"
    nobody = post(registry.url, {"redirect_uris": [CALLBACK], "software_statement": statement()})
    assert refusal(nobody) == "unapproved_software_statement"


def test_a_statement_may_name_us_and_end(trusting: str, registry: RunningIdp) -> None:
    for audience in (registry.issuer, [registry.issuer, "https://other.test"]):
        good = statement(aud=audience, exp=int(time.time()) + 60)
        assert post(trusting, {"redirect_uris": [CALLBACK], "software_statement": good}).status_code == 201


def test_a_vetted_client_stays_vetted_when_it_is_replaced_with_its_statement(trusting: str) -> None:
    said = statement()
    client = registered(trusting, software_statement=said)
    client.url = client.url.replace(client.url.partition("/oauth/")[0], trusting)
    kept = client.put(redirect_uris=[CALLBACK], client_name="Forged", software_statement=said).json()
    assert (kept["client_name"], kept["software_statement"]) == ("Vetted App", said)
    shed = client.put(redirect_uris=[CALLBACK], client_name="Own").json()
    assert (shed["client_name"], "software_statement" in shed) == ("Own", False)
