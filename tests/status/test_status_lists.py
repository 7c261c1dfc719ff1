"""Status lists over HTTP: what they look like, and that everything that ends a token shows in them at once, on every node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jwt
import pytest
import requests

from tests.conftest import API
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp
from tests.support.status import eventually, fetch, is_revoked, place_of

SCOPE = "openid profile offline_access read"
ONLINE = "openid read"


@pytest.fixture
def tokens(web_app: App, browser: Browser, person: str) -> dict[str, Any]:
    return web_app.tokens(browser, person, scope=SCOPE)


def service_token(app: App, base: str | None = None) -> str:
    response = app.post("/oauth/token", base=base, grant_type="client_credentials")
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


# -- the document -----------------------------------------------------------------------------------------------------


def test_every_access_token_points_into_a_list(idp: RunningIdp, web_app: App, service: App, tokens: Any) -> None:
    refreshed = web_app.refresh(tokens["refresh_token"]).json()
    for token in (tokens["access_token"], refreshed["access_token"], service_token(service)):
        uri, index = place_of(token)
        assert uri.startswith(f"{idp.issuer}/oauth/status/")
        assert 0 <= index < 131_072
        assert not is_revoked(token)
    assert "status" not in claims(tokens["id_token"])


def test_a_list_is_a_signed_jwt_that_says_how_long_it_may_be_relied_on(idp: RunningIdp, service: App) -> None:
    uri, _ = place_of(service_token(service))
    found = fetch(uri, idp.issuer)
    assert found.keys() == {"iss", "sub", "iat", "exp", "ttl", "status_list"}
    assert found["ttl"] == 15
    assert time.time() - 60 < found["iat"] <= time.time()
    assert found["exp"] - found["iat"] == 300


def test_a_list_is_served_with_an_etag_and_to_scripts_of_any_origin(service: App) -> None:
    uri, _ = place_of(service_token(service))
    first = requests.get(uri, timeout=30, headers={"Origin": "https://app.test"})
    assert first.headers["Content-Type"] == "application/statuslist+jwt"
    assert first.headers["Cache-Control"] == "public, no-cache"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    again = requests.get(uri, timeout=30, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert requests.options(uri, timeout=30).status_code == 204
    assert requests.post(uri, timeout=30).status_code == 405
    head = requests.head(uri, timeout=30)
    assert (head.status_code, head.content) == (200, b"")


def test_a_list_never_seems_to_grow_older_from_node_to_node(
    idp: RunningIdp, nodes: Sequence[str], service: App
) -> None:
    """Whoever checks tokens holds on to the newest list it saw; and a copy from one node is as good as that of another."""
    uri, _ = place_of(service_token(service))
    dates, tags = set(), set()
    for base in nodes * 4:
        response = requests.get(uri.replace(idp.issuer, base), timeout=30)
        dates.add(fetch(uri, idp.issuer, base)["iat"])
        tags.add(response.headers["ETag"])
    assert len(dates) <= 2, "all date it by the same stroke of the clock, one of which may pass meanwhile"
    assert len(tags) <= 2


def test_a_change_gives_the_list_another_etag(service: App) -> None:
    token = service_token(service)
    before = requests.get(place_of(token)[0], timeout=30).headers["ETag"]
    service.post("/oauth/revoke", token=token)
    after = requests.get(place_of(token)[0], timeout=30, headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["ETag"] != before


@pytest.mark.parametrize(
    "shard", ["1-0", "9999999999999-0", "x", "..%2f..", "%00", "-", "0-0%0a", "%3Cshard%3E", "%ff", "1-0/x", ""]
)
def test_there_is_no_other_list(idp: RunningIdp, shard: str) -> None:
    response = requests.get(f"{idp.url}/oauth/status/{shard}", timeout=30)
    assert response.status_code == 404


def test_lists_of_the_past_are_not_kept(service: App) -> None:
    """§8.4: 501 says that the parameter is not supported."""
    uri, _ = place_of(service_token(service))
    response = requests.get(uri, params={"time": "1686925000"}, timeout=30)
    assert (response.status_code, response.json()["error"]) == (501, "unsupported_request")


def test_the_list_of_lists_names_every_list_that_a_living_token_points_into(idp: RunningIdp, service: App) -> None:
    metadata = requests.get(f"{idp.url}/.well-known/oauth-authorization-server", timeout=30).json()
    uri, _ = place_of(service_token(service))
    response = requests.get(metadata["status_list_aggregation_endpoint"], timeout=30)
    assert response.headers["Content-Type"] == "application/json"
    listed = response.json()["status_lists"]
    assert uri in listed
    assert all(fetch(one, idp.issuer) for one in listed)


# -- what ends tokens -------------------------------------------------------------------------------------------------


def test_revoking_an_access_token_revokes_it_alone(web_app: App, service: App, tokens: dict[str, Any]) -> None:
    other = web_app.refresh(tokens["refresh_token"]).json()["access_token"]
    web_app.post("/oauth/revoke", token=tokens["access_token"])
    assert is_revoked(tokens["access_token"])
    assert not is_revoked(other)
    first, second = service_token(service), service_token(service)
    service.post("/oauth/revoke", token=first)
    assert is_revoked(first)
    assert not is_revoked(second)


def test_a_stranger_revokes_nothing(web_app: App, service: App, tokens: dict[str, Any]) -> None:
    service.post("/oauth/revoke", token=tokens["access_token"])
    assert not is_revoked(tokens["access_token"])


def test_revoking_a_refresh_token_revokes_every_token_of_the_family(web_app: App, tokens: dict[str, Any]) -> None:
    later = web_app.refresh(tokens["refresh_token"]).json()
    web_app.post("/oauth/revoke", token=later["refresh_token"])
    assert is_revoked(tokens["access_token"])
    assert is_revoked(later["access_token"])


def test_logging_out_revokes_what_hangs_on_the_session(web_app: App, browser: Browser, person: str) -> None:
    online = web_app.tokens(browser, person, scope=ONLINE)
    offline = web_app.tokens(browser, person, scope=SCOPE)
    browser.open(f"{web_app.idp}/oauth/logout?id_token_hint={online['id_token']}")
    assert is_revoked(online["access_token"])
    assert not is_revoked(offline["access_token"]), "offline grants go on (CONTRACT: after logout)"


@pytest.mark.parametrize("how", ["disable", "delete", "set-password"])
def test_what_ends_a_persons_tokens_revokes_them(
    idp: RunningIdp, web_app: App, tokens: dict[str, Any], person: str, how: str
) -> None:
    bystander = web_app.tokens(Browser(idp.url), "alice", scope=SCOPE)
    later = web_app.refresh(tokens["refresh_token"]).json()
    if how == "set-password":
        idp.cli("user", how, person, "--password-stdin", stdin="another horse 48 battery\n")
    else:
        idp.cli("user", how, person)
    assert is_revoked(tokens["access_token"])
    assert is_revoked(later["access_token"])
    assert not is_revoked(bystander["access_token"])


def test_a_role_that_is_taken_away_ends_the_tokens_that_are_out_and_no_grant(
    idp: RunningIdp, web_app: App, service: App, tokens: dict[str, Any], person: str
) -> None:
    bystander = web_app.tokens(Browser(idp.url), "alice", scope=SCOPE)["access_token"]
    later = web_app.refresh(tokens["refresh_token"]).json()
    assert claims(later["access_token"])["roles"] == ["reader"]
    idp.cli("user", "update", person, "--role", "")
    for token in (tokens["access_token"], later["access_token"]):
        assert is_revoked(token)
        assert service.introspect(token) == {"active": False}
    assert not is_revoked(bystander)
    fresh = web_app.refresh(later["refresh_token"]).json()["access_token"]
    assert claims(fresh)["roles"] == []
    assert not is_revoked(fresh)
    assert service.introspect(fresh)["active"] is True


@pytest.mark.parametrize("options", [("--role", "reader", "--role", "writer"), ("--claim", "given_name=Ada")])
def test_what_takes_no_role_away_ends_no_token(
    idp: RunningIdp, service: App, tokens: dict[str, Any], person: str, options: tuple[str, ...]
) -> None:
    idp.cli("user", "update", person, *options)
    assert not is_revoked(tokens["access_token"])
    assert service.introspect(tokens["access_token"])["active"] is True


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_what_ends_a_client_revokes_its_own_tokens_and_those_people_allowed_it(
    idp: RunningIdp, service: App, person: str, how: str
) -> None:
    grants = ["authorization_code", "client_credentials"]
    app = App(idp.url, idp.client(redirect_uris=["https://gone.test/"], grant_types=grants, audience=[API]))
    own = [service_token(app) for _ in range(3)]
    personal = app.tokens(Browser(idp.url), person, scope=ONLINE)["access_token"]
    bystander = service_token(service)
    idp.cli("client", how, app.client_id)
    assert all(is_revoked(token) for token in (*own, personal))
    assert not is_revoked(bystander)


def test_a_client_that_is_enabled_again_gets_tokens_that_are_alive(idp: RunningIdp, nodes: Sequence[str]) -> None:
    app = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[API], introspects=[API]))
    dead = [service_token(app, base) for base in nodes]
    idp.cli("client", "disable", app.client_id)
    idp.cli("client", "enable", app.client_id)

    def gives_living_tokens(base: str) -> bool:
        response = app.post("/oauth/token", base=base, grant_type="client_credentials")
        token = response.json().get("access_token")
        return token is not None and not is_revoked(token) and app.introspect(token)["active"] is True

    for base in nodes:
        eventually(partial(gives_living_tokens, base))
    assert all(is_revoked(token) for token in dead)


def test_using_a_code_again_revokes_what_it_gave(web_app: App, browser: Browser, person: str) -> None:
    answer, verifier = web_app.login(browser, person, scope=SCOPE)
    token = web_app.redeem(answer["code"], verifier).json()["access_token"]
    assert web_app.redeem(answer["code"], verifier).json()["error"] == "invalid_grant"
    assert is_revoked(token)


def test_using_a_refresh_token_again_revokes_the_family(strict: RunningIdp, strict_app: App, person_there: str) -> None:
    first = strict_app.tokens(Browser(strict.url), person_there, scope=SCOPE)
    second = strict_app.refresh(first["refresh_token"]).json()
    assert strict_app.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert is_revoked(first["access_token"])
    assert is_revoked(second["access_token"])


def test_a_key_that_is_revoked_signs_no_list_any_more(strict: RunningIdp, strict_app: App, person_there: str) -> None:
    token = strict_app.tokens(Browser(strict.url), person_there, scope=SCOPE)["access_token"]
    uri, _ = place_of(token)
    kid = kid_of(requests.get(uri, timeout=30).text)
    strict.cli("keys", "revoke", kid)
    eventually(lambda: kid_of(requests.get(uri, timeout=30).text) != kid)
    assert fetch(uri, strict.issuer)


def test_introspection_agrees_and_every_node_shows_it_at_once(
    idp: RunningIdp, nodes: Sequence[str], web_app: App, tokens: dict[str, Any]
) -> None:
    assert not any(is_revoked(tokens["access_token"], base) for base in nodes)
    web_app.post("/oauth/revoke", base=nodes[1], token=tokens["refresh_token"])
    for base in (*nodes, *nodes):
        assert is_revoked(tokens["access_token"], base)
    assert web_app.introspect(tokens["access_token"]) == {"active": False}


# -- servers ----------------------------------------------------------------------------------------------------------


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.fixture(scope="module")
def nodes(idp: RunningIdp) -> Sequence[str]:
    """Two server processes on one database, the second with two workers."""
    return (idp.url, idp.node(workers=2))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An identity provider without a window for replays, whose keys may be revoked."""
    with RunningIdp(tmp_path_factory.mktemp("strict"), refresh_window="0") as running:
        running.cli("resource", "create", API, "--scope", "read=Read things")
        yield running


@pytest.fixture(scope="module")
def strict_app(strict: RunningIdp) -> App:
    grants = ["authorization_code", "refresh_token"]
    return App(strict.url, strict.client(redirect_uris=["https://app.test/"], grant_types=grants, audience=[API]))


@pytest.fixture
def person_there(strict: RunningIdp) -> str:
    name = f"person-{secrets.token_hex(4)}"
    strict.user(name)
    return name
