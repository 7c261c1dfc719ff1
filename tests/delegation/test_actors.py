"""Who acts: the chain of actors, actor tokens, `may_act`, and impersonation (RFC 8693 §1.1, §4.1, §4.4)."""

from __future__ import annotations

import secrets

import pytest

from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.support import ACCESS_TOKEN, TOKEN_EXCHANGE, Service, audited, refused
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp

AS_ACTOR = {"actor_token_type": ACCESS_TOKEN}


@pytest.fixture(scope="module")
def orders(new_service: NewService) -> Service:
    """The service behind the first API; what it may do changes here."""
    return new_service()


def test_each_service_of_a_chain_is_named_the_last_one_first(new_service: NewService, token: str) -> None:
    one, two, three, four = (new_service("--scope", "read") for _ in range(4))
    first = one.exchanged(token)
    second = two.exchanged(first["token"])
    third = three.exchanged(second["token"])
    assert third["act"] == {"sub": three.client_id, "act": {"sub": two.client_id, "act": {"sub": one.client_id}}}
    assert third["sub"] == claims(token)["sub"]
    assert third["exp"] <= second["exp"] <= first["exp"]
    assert refused(four.exchange(third["token"])) == (400, "invalid_request")


def test_a_service_may_present_its_own_token_as_the_actor(orders: Service, token: str) -> None:
    exchanged = orders.exchanged(token, actor_token=orders.own_token(resource=API), **AS_ACTOR)
    assert exchanged["act"] == {"sub": orders.client_id}


def test_a_person_may_act_for_another(idp: RunningIdp, token: str) -> None:
    """Somebody of the help desk logs in at its own app, which exchanges the customer's token with theirs as the actor."""
    metadata = {"grant_types": ["authorization_code", TOKEN_EXCHANGE], "redirect_uris": ["https://desk.test/cb"]}
    desk = Service(idp.url, idp.client(audience=[API], **metadata))
    desk.allow(idp, "--scope", "users:read", "--from-audience", API)
    helper = f"helper-{secrets.token_hex(4)}"
    sub = idp.user(helper)["sub"]
    own = desk.tokens(Browser(idp.url), helper, scope="openid read")["access_token"]
    exchanged = desk.exchanged(token, actor_token=own, **AS_ACTOR)
    assert exchanged["act"] == {"sub": sub}
    assert exchanged["sub"] == claims(token)["sub"]
    idp.cli("user", "disable", helper)
    assert refused(desk.exchange(token, actor_token=own, **AS_ACTOR)) == (400, "invalid_request")


def test_nobody_acts_by_a_token_of_another_client_or_an_exchanged_one(
    orders: Service, service: App, new_service: NewService, token: str
) -> None:
    foreign = service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    exchanged = orders.exchanged(orders.own_token(resource=API))["token"]
    for actor in (foreign, exchanged, token):
        assert refused(orders.exchange(token, actor_token=actor, **AS_ACTOR)) == (400, "invalid_request")


def test_an_exchanged_token_does_not_outlive_its_actors_token(idp: RunningIdp, new_service: NewService) -> None:
    brief = f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", brief, "--scope", "read=Read", "--token-ttl", "20")
    service = new_service("--scope", "read", audience=[API, brief])
    actor = service.own_token(resource=brief)
    exchanged = service.exchanged(service.own_token(resource=API), actor_token=actor, **AS_ACTOR)
    assert exchanged["exp"] <= claims(actor)["exp"]


@pytest.fixture
def guarded(idp: RunningIdp, orders: Service) -> str:
    """An API whose tokens let the orders service act and nobody else."""
    uri = f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", uri, "--scope", "read=Read", "--may-act", orders.client_id)
    return uri


def test_may_act_names_who_may_act_next(
    idp: RunningIdp, new_service: NewService, orders: Service, person: str, guarded: str
) -> None:
    app = App(idp.url, idp.client(redirect_uris=["https://app.test/cb"], audience=[guarded]))
    token = app.tokens(Browser(idp.url), person, scope="openid read")["access_token"]
    assert claims(token)["may_act"] == {"sub": orders.client_id}
    assert app.introspect(token)["may_act"] == {"sub": orders.client_id}
    other = new_service("--scope", "read")
    impersonator = new_service("--scope", "read", "--impersonate")
    orders.allow(idp, "--scope", "read")
    for stranger in (other, impersonator):
        assert refused(stranger.exchange(token)) == (400, "invalid_request")
    exchanged = orders.exchanged(token)
    assert exchanged["act"] == {"sub": orders.client_id}
    assert "may_act" not in exchanged

    idp.cli("resource", "update", guarded, "--may-act", "")
    assert idp.cli("resource", "show", guarded)["may_act"] is None


def test_an_exchanged_token_names_the_next_actor_of_its_own_api(
    idp: RunningIdp, new_service: NewService, token: str, orders: Service, guarded: str
) -> None:
    first = new_service(allow=False)
    first.allow(idp, "--scope", "read", audience=guarded)
    exchanged = first.exchanged(token, audience=guarded)
    assert exchanged["may_act"] == {"sub": orders.client_id}
    assert refused(new_service("--scope", "read").exchange(exchanged["token"])) == (400, "invalid_request")
    own = first.own_token(resource=API)
    assert "may_act" not in claims(own)


def test_impersonation_names_no_actor_and_forgets_none(idp: RunningIdp, new_service: NewService, token: str) -> None:
    silent, open_ = new_service("--scope", "read", "--impersonate"), new_service("--scope", "read")
    assert "act" not in silent.exchanged(token)
    assert "actor" not in audited(idp, "token.exchanged")
    assert silent.exchanged(open_.exchanged(token)["token"])["act"] == {"sub": open_.client_id}
    acting = silent.exchanged(token, actor_token=silent.own_token(resource=API), **AS_ACTOR)
    assert acting["act"] == {"sub": silent.client_id}


def test_impersonation_in_a_circle_ends_too(new_service: NewService, token: str) -> None:
    silent = new_service("--scope", "read", "--impersonate")
    for _ in range(3):
        token = silent.exchanged(token)["token"]
    assert refused(silent.exchange(token)) == (400, "invalid_request")
