"""Pairwise subject identifiers (OpenID Connect Core §8.1): one name of a person for each sector, the same in all that a client reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.logout.receiver import ListeningApp
from tests.oidc_clients.registering import Owned, post, refusal, registered
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.published import Site
from tests.support.running import RunningIdp

API = "https://pairwise-api.test"
FULL = {"grant_types": ["authorization_code", "refresh_token"], "subject_type": "pairwise"}
LASTING = "openid offline_access"


def pairwise(registry: RunningIdp, host: str = "one.test", **metadata: Any) -> App:
    return App(
        registry.url, registered(registry.url, redirect_uris=[f"https://{host}/cb"], **FULL, **metadata).document
    )


def tokens_of(app: App, name: str = "alice", **parameters: Any) -> dict[str, Any]:
    return app.tokens(Browser(app.idp), name, **{"scope": LASTING, **parameters})


@pytest.fixture(scope="session")
def public_sub(registry: RunningIdp) -> str:
    return str(registry.cli("user", "show", "alice")["sub"])


def test_a_client_sees_one_name_in_all_it_reads(registry: RunningIdp, public_sub: str) -> None:
    app = pairwise(registry)
    tokens = tokens_of(app)
    sub = claims(tokens["id_token"])["sub"]
    assert sub != public_sub
    assert 0 < len(sub) <= 255
    assert sub.isascii()
    assert app.userinfo(tokens["access_token"]).json()["sub"] == sub
    assert claims(tokens["access_token"])["sub"] == sub
    assert app.introspect(tokens["access_token"])["sub"] == sub
    assert app.introspect(tokens["refresh_token"])["sub"] == sub
    fresh = app.refresh(tokens["refresh_token"]).json()
    assert claims(fresh["id_token"])["sub"] == claims(fresh["access_token"])["sub"] == sub
    assert public_sub not in json.dumps([claims(token) for token in (fresh["id_token"], fresh["access_token"])])


def test_the_name_is_the_sectors_and_stays(registry: RunningIdp, site: Site) -> None:
    def name(app: App, person: str = "alice") -> str:
        return str(claims(tokens_of(app, person)["id_token"])["sub"])

    registry.user("bob-pairwise")
    one = pairwise(registry)
    assert name(one) == name(one) == name(pairwise(registry, "one.test"))
    assert name(one) != name(pairwise(registry, "two.test"))
    assert name(one) != name(one, "bob-pairwise")
    uri = site.publish("/sector", ["https://two.test/cb", "https://three.test/cb"])
    shared = [pairwise(registry, host, sector_identifier_uri=uri) for host in ("two.test", "three.test")]
    assert name(shared[0]) == name(shared[1]) != name(pairwise(registry, "two.test"))


def test_an_api_is_told_the_public_name(registry: RunningIdp, public_sub: str) -> None:
    registry.cli("resource", "create", API, "--scope", "pay=Pay")
    made = registry.client(redirect_uris=["https://one.test/cb"], audience=[API], **FULL)
    app = App(registry.url, made)
    tokens = tokens_of(app, scope="openid pay")
    assert claims(tokens["access_token"])["sub"] == public_sub
    assert claims(tokens["id_token"])["sub"] != public_sub
    assert app.userinfo(tokens["access_token"]).json()["sub"] == claims(tokens["id_token"])["sub"]
    assert app.introspect(tokens["access_token"])["sub"] == public_sub


def test_a_hint_is_understood_as_the_person_it_names(registry: RunningIdp) -> None:
    registry.user("carol-pairwise")
    app, browser = pairwise(registry), Browser(registry.url)
    hint = app.tokens(browser, "alice")["id_token"]
    silent, _ = app.authorize_url(prompt="none", id_token_hint=hint)
    assert "code" in answer_of(browser.open(silent))
    other = tokens_of(app, "carol-pairwise", scope="openid")["id_token"]
    silent, _ = app.authorize_url(prompt="none", id_token_hint=other)
    assert answer_of(browser.open(silent))["error"] == "login_required"


def test_a_client_may_ask_for_a_person_by_the_name_it_knows(registry: RunningIdp, public_sub: str) -> None:
    app, browser = pairwise(registry), Browser(registry.url)
    sub = claims(app.tokens(browser, "alice")["id_token"])["sub"]
    for name, outcome in ((sub, "code"), (public_sub, "error"), (sub[:-1], "error"), ("", "error")):
        asked = json.dumps({"id_token": {"sub": {"value": name}}})
        assert outcome in answer_of(browser.open(app.authorize_url(prompt="none", claims=asked)[0]))


def test_a_hint_logs_its_person_out(registry: RunningIdp) -> None:
    app, browser = pairwise(registry, post_logout_redirect_uris=["https://one.test/bye"]), Browser(registry.url)
    hint = app.tokens(browser, "alice")["id_token"]
    bye = browser.open(
        f"{registry.url}/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri=https://one.test/bye"
    )
    assert bye.headers["Location"] == "https://one.test/bye"
    assert "login" in Page(browser.open(app.authorize_url()[0])).forms


def test_the_logout_token_calls_them_as_the_id_token_did(registry: RunningIdp) -> None:
    with ListeningApp() as server:
        made = registry.client(
            redirect_uris=["https://one.test/cb"],
            backchannel_logout_uri=server.uri,
            backchannel_logout_session_required=True,
            **FULL,
        )
        browser = Browser(registry.url)
        hint = App(registry.url, made).tokens(browser, "alice")["id_token"]
        browser.open(f"{registry.url}/oauth/logout?id_token_hint={hint}")
        [posted] = server.wait()
        assert claims(posted.token)["sub"] == claims(hint)["sub"]


def test_who_is_disabled_is_so_by_every_name(registry: RunningIdp) -> None:
    registry.user("dave-pairwise")
    app = pairwise(registry)
    tokens = tokens_of(app, "dave-pairwise")
    assert app.userinfo(tokens["access_token"]).status_code == 200
    registry.cli("user", "disable", "dave-pairwise")
    assert app.userinfo(tokens["access_token"]).status_code == 401
    assert app.introspect(tokens["access_token"]) == {"active": False}
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_another_name_for_people_ends_the_tokens_that_told_the_first(registry: RunningIdp) -> None:
    client = registered(registry.url, redirect_uris=["https://one.test/cb"], **FULL)
    tokens = tokens_of(App(registry.url, client.document))
    kept = client.put(redirect_uris=["https://one.test/cb", "https://one.test/other"], **FULL)
    assert kept.status_code == 200
    app = App(registry.url, {**client.document, **kept.json()})
    tokens = app.refresh(tokens["refresh_token"]).json()
    assert client.put(redirect_uris=["https://two.test/cb"], **FULL).status_code == 200
    assert app.userinfo(tokens["access_token"]).status_code == 401
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


# -- sectors -----------------------------------------------------------------------------------------------------------


def test_a_sector_that_lists_the_client_is_accepted(registry: RunningIdp, site: Site) -> None:
    """oidcc-registration-sector-uri."""
    uris = ["https://one.test/cb", "https://two.test/cb"]
    uri = site.publish("/sector", [*uris, "https://more.test/cb"])
    client = Owned(post(registry.url, {"redirect_uris": uris, "sector_identifier_uri": uri, **FULL}).json())
    assert client.document["sector_identifier_uri"] == uri
    assert site.asked == ["/sector"]
    kept = {"redirect_uris": uris, "sector_identifier_uri": uri, **FULL}
    site.publish("/sector", b"", status=500)
    assert client.put(**kept, client_name="New").status_code == 200
    assert refusal(client.put(**{**kept, "redirect_uris": uris[:1]})) == "invalid_client_metadata"


DOCUMENTS: list[Any] = [
    ["https://other.test/cb"],
    [],
    {"redirect_uris": ["https://one.test/cb"]},
    ["https://one.test/cb", 5],
    b"no json",
    b"[" * 500,
    b'["https://one.test/cb"' + b" " * 70_000 + b"]",
]


@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_sector_that_does_not_know_the_client_is_refused(
    registry: RunningIdp, site: Site, document: Any, subject_type: str
) -> None:
    """oidcc-registration-sector-bad."""
    uri = site.publish("/sector", document)
    metadata = {"redirect_uris": ["https://one.test/cb"], "sector_identifier_uri": uri, "subject_type": subject_type}
    assert refusal(post(registry.url, metadata)) == "invalid_client_metadata"


def test_a_sector_that_cannot_be_fetched_is_refused(registry: RunningIdp, site: Site) -> None:
    site.publish("/broken", ["https://one.test/cb"], status=500)
    for uri in (f"{site.url}/broken", f"{site.url}/nowhere", "https://no-such-name.invalid/", "https://10.0.0.1/"):
        metadata = {"redirect_uris": ["https://one.test/cb"], "sector_identifier_uri": uri}
        assert refusal(post(registry.url, metadata)) == "invalid_client_metadata"


@pytest.mark.parametrize(
    "metadata",
    [
        {"redirect_uris": ["https://one.test/cb", "https://two.test/cb"]},
        {"redirect_uris": ["com.example.app:/cb"], "application_type": "native"},
    ],
    ids=["two hosts", "no host"],
)
def test_without_one_host_a_sector_must_be_named(registry: RunningIdp, site: Site, metadata: dict[str, Any]) -> None:
    assert refusal(post(registry.url, {**metadata, **FULL})) == "invalid_client_metadata"
    uri = site.publish("/sector", metadata["redirect_uris"])
    assert post(registry.url, {**metadata, **FULL, "sector_identifier_uri": uri}).status_code == 201
