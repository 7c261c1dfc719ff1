"""When a person is asked and when not: `prompt`, `max_age`, `auth_time`, hints and what is merely tolerated (OpenID Connect Core §3.1.2.1)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.oidc.conftest import Relying, login_earlier
from tests.oidc.rp import FLOWS, Flow
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.joining import joined

every_flow = pytest.mark.parametrize("flow", FLOWS, ids=str)
STATE = "s" * 128


@every_flow
def test_prompt_none_without_a_login_is_an_error_and_shows_no_page(
    relying: Relying, agent: Browser, flow: Flow
) -> None:
    """oidcc-prompt-none-not-logged-in"""
    answer = relying(flow).received(agent.open(relying(flow).start(prompt="none", state=STATE).url))
    assert (answer["error"], answer["state"]) == ("login_required", STATE)


@every_flow
def test_prompt_none_with_a_login_succeeds_silently(relying: Relying, ada_here: Browser, flow: Flow) -> None:
    """oidcc-prompt-none-logged-in"""
    party = relying(flow)
    first = party.tokens_of(ada_here)
    sent = party.start(prompt="none")
    second = party.finish(sent, party.received(ada_here.open(sent.url)))
    assert second.identity["sub"] == first.identity["sub"]
    assert second.identity["auth_time"] == first.identity["auth_time"]


@every_flow
def test_prompt_login_asks_again_and_tells_the_later_time(relying: Relying, ada_here: Browser, flow: Flow) -> None:
    """oidcc-prompt-login"""
    party = relying(flow)
    first = party.tokens_of(ada_here)
    sent = party.start(prompt="login")
    page = Page(ada_here.open(sent.url))
    assert "login" in page.forms
    second = party.finish(sent, party.received(ada_here.submit(page, "login", username="ada", password=PASSWORD)))
    assert second.identity["auth_time"] > first.identity["auth_time"]


@every_flow
def test_a_login_that_is_too_old_is_repeated(relying: Relying, ada_here: Browser, flow: Flow) -> None:
    """oidcc-max-age-1"""
    party = relying(flow)
    first = party.tokens_of(ada_here)
    sent = party.start(max_age=1)
    page = Page(ada_here.open(sent.url))
    assert "login" in page.forms
    second = party.finish(sent, party.received(ada_here.submit(page, "login", username="ada", password=PASSWORD)))
    assert second.identity["auth_time"] > first.identity["auth_time"]
    assert abs(second.identity["auth_time"] - time.time()) < 300


@every_flow
def test_a_login_that_is_young_enough_is_not(relying: Relying, ada_here: Browser, flow: Flow) -> None:
    """oidcc-max-age-10000"""
    party = relying(flow)
    times = []
    for max_age in (15000, 10000):
        sent = party.start(max_age=max_age)
        times.append(party.finish(sent, party.received(ada_here.open(sent.url))).identity["auth_time"])
    assert len(set(times)) == 1


def test_the_bound_of_max_age_is_kept_to_the_second(op: RunningIdp, relying: Relying, agent: Browser) -> None:
    party = relying("code")
    party.tokens_of(agent)
    login_earlier(op, agent, 1000)
    silent = party.start(max_age=999, prompt="none")
    assert party.received(agent.open(silent.url))["error"] == "login_required"
    assert "code" in party.received(agent.open(party.start(max_age=1100, prompt="none").url))
    assert party.received(agent.open(party.start(max_age=0, prompt="none").url))["error"] == "login_required"


def test_a_registered_default_max_age_counts_unless_another_is_sent(relying: Relying, ada_here: Browser) -> None:
    party = relying("code", default_max_age=30, require_auth_time=True)
    assert party.received(ada_here.open(party.start(prompt="none").url))["error"] == "login_required"
    sent = party.start(prompt="none", max_age=100)
    assert "auth_time" in party.finish(sent, party.received(ada_here.open(sent.url))).identity


def test_the_time_of_the_login_survives_a_refresh_and_later_logins(relying: Relying, ada_here: Browser) -> None:
    """oidcc-refresh-token: same iss, sub, aud and auth_time, a new iat; no-store"""
    party = relying("code")
    tokens = party.tokens_of(ada_here, scope="openid offline_access", prompt="consent")
    party.tokens_of(ada_here, prompt="login")
    response = party.refresh(tokens.response["refresh_token"])
    assert response.headers["Cache-Control"] == "no-store"
    again = party.verified(response.json()["id_token"], party.start(nonce=None))
    same = ("iss", "sub", "aud", "auth_time", "acr", "sid")
    assert {name: again[name] for name in same} == {name: tokens.identity[name] for name in same}
    assert again["iat"] >= tokens.identity["iat"]


@every_flow
def test_an_id_token_hint_names_who_is_here(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-id-token-hint"""
    party = relying(flow)
    first = party.tokens_of(signed_in)
    if not first.hint:
        return
    sent = party.start(prompt="none", id_token_hint=first.hint)
    assert party.finish(sent, party.received(signed_in.open(sent.url))).identity["sub"] == first.identity["sub"]


def test_an_id_token_hint_of_somebody_else_needs_a_login(op: RunningIdp, relying: Relying, signed_in: Browser) -> None:
    party = relying("code")
    bob = party.tokens_of(Browser(op.url), "bob").hint
    answer = party.received(signed_in.open(party.start(prompt="none", id_token_hint=bob).url))
    assert answer["error"] == "login_required"


TOLERATED: list[dict[str, Any]] = [
    {"login_hint": "ada@example.com"},
    {"ui_locales": "se"},
    {"ui_locales": "fr-CA fr en"},
    {"claims_locales": "se"},
    {"display": "page"},
    {"display": "popup"},
    {"display": "unheard-of"},
    {"extra": "foobar"},
]


@pytest.mark.parametrize("extra", TOLERATED, ids=str)
def test_hints_are_tolerated(relying: Relying, signed_in: Browser, extra: dict[str, Any]) -> None:
    """oidcc-login-hint, -ui-locales, -claims-locales, -display-page, -display-popup, -ensure-request-with-unknown-parameter-succeeds"""
    relying("code").tokens_of(signed_in, **extra)


@every_flow
def test_all_hints_at_once_are_tolerated_in_every_flow(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    relying(flow).tokens_of(signed_in, **{name: value for extra in TOLERATED for name, value in extra.items()})


def test_a_login_hint_fills_in_the_name(relying: Relying, agent: Browser) -> None:
    page = Page(agent.open(relying("code").start(login_hint="ada@example.com").url))
    assert page.forms["login"].fields["username"] == "ada@example.com"


# -- prompt=create ----------------------------------------------------------------------------------------------------


def test_prompt_create_leads_to_sign_up_and_then_back_to_the_app(
    op: RunningIdp, relying: Relying, signed_in: Browser, agent: Browser
) -> None:
    """Initiating User Registration via OpenID Connect 1.0 §4"""
    party = relying("code id_token")
    assert "signup" in Page(signed_in.open(party.start(prompt="create").url)).forms
    sent = party.start(prompt="create")
    page = Page(agent.open(sent.url))
    name = f"new-{sent.parameters['state'].lower().replace('_', 'x')}"
    fields = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    page = Page(joined(op, agent, page, **fields))
    answer = party.received(agent.submit(page, "login", username=name, password=PASSWORD))
    tokens = party.finish(sent, answer)
    assert party.userinfo(tokens.access[0]).status_code == 200


def test_whoever_has_an_account_can_log_in_from_the_sign_up_page(relying: Relying, agent: Browser) -> None:
    party = relying("code")
    sent = party.start(prompt="create")
    response = agent.open(sent.url)
    flow = Page(response).forms["signup"].fields["flow"]
    page = Page(agent.open(f"{party.idp}/login?flow={flow}"))
    party.finish(sent, party.received(agent.submit(page, "login", username="ada", password=PASSWORD)))


def test_prompt_create_goes_with_no_none_and_only_where_there_is_a_sign_up(
    op: RunningIdp, idp: RunningIdp, relying: Relying, signed_in: Browser
) -> None:
    party = relying("code")
    assert party.received(signed_in.open(party.start(prompt="create none").url))["error"] == "invalid_request"
    assert "create" in _prompts(op)
    assert "create" not in _prompts(idp)


def _prompts(running: RunningIdp) -> list[str]:
    import requests

    document = requests.get(f"{running.url}/.well-known/openid-configuration").json()
    found: list[str] = document["prompt_values_supported"]
    return found
