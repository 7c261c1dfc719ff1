"""What every plan asks of every flow: where a request may lead, how it may come, and what a code is worth."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
import requests

from tests.oidc.conftest import Relying
from tests.oidc.rp import FLOWS, NO_PKCE, Flow, RelyingParty, Sent, received
from tests.support.flows import Browser, Page, pkce
from tests.support.running import PASSWORD, RunningIdp

every_flow = pytest.mark.parametrize("flow", FLOWS, ids=str)
with_code = pytest.mark.parametrize("flow", [flow for flow in FLOWS if "code" in flow.words], ids=str)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@every_flow
def test_an_unregistered_redirect_uri_gets_a_page_and_nothing_else(
    relying: Relying, signed_in: Browser, flow: Flow
) -> None:
    """oidcc-ensure-registered-redirect-uri"""
    party = relying(flow)
    for uri in (f"{party.redirect_uri}/more", f"{party.redirect_uri}?x=1", "https://evil.test/cb", None):
        response = signed_in.open(party.start(redirect_uri=uri).url)
        assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_redirect_uri")
        assert "Location" not in response.headers
        assert "response" not in Page(response).forms


@pytest.mark.parametrize("mode", [None, "form_post"])
def test_a_missing_response_type_is_told_to_the_app(relying: Relying, agent: Browser, mode: str | None) -> None:
    """oidcc-response-type-missing: in the query, or posted where that was asked for"""
    party = relying(Flow("code", mode))
    sent = party.start(response_type=None)
    answer = party.received(agent.open(sent.url))
    assert (answer["error"], answer["state"]) == ("invalid_request", sent.parameters["state"])


@every_flow
def test_a_request_may_be_posted(relying: Relying, agent: Browser, flow: Flow) -> None:
    """oidcc-ensure-post-request-succeeds"""
    party = relying(flow)
    sent = party.start()
    response = _posted(party, sent)
    page = Page(agent.open(response.headers["Location"]))
    answer = agent.submit(page, "login", username="ada", password=PASSWORD)
    party.finish(sent, party.received(answer))


@every_flow
def test_a_posted_request_is_answered_silently_where_somebody_is_here(
    relying: Relying, signed_in: Browser, agent: Browser, flow: Flow
) -> None:
    party = relying(flow)
    sent = party.start(prompt="none")
    location = _posted(party, sent).headers["Location"]
    party.finish(sent, party.received(signed_in.open(location)))
    nobody = agent.open(_posted(party, party.start(prompt="none")).headers["Location"])
    assert party.received(nobody)["error"] == "login_required"


@every_flow
def test_a_posted_request_is_refused_in_its_mode(relying: Relying, flow: Flow) -> None:
    party = relying(flow)
    response = _posted(party, party.start(prompt="dance"))
    assert party.received(response)["error"] == "invalid_request"


def _posted(party: RelyingParty, sent: Sent) -> requests.Response:
    """The request as another site's form posts it: without our cookies."""
    url = f"{party.idp}/oauth/authorize"
    return requests.post(url, data=urlencode(sent.parameters), headers=FORM, allow_redirects=False)


@with_code
def test_a_code_may_be_bound_by_pkce_or_not(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds"""
    party = relying(flow)
    party.tokens_of(signed_in)
    party.tokens_of(signed_in, **NO_PKCE)
    sent = party.start()
    wrong = party.redeem(party.answer(signed_in, sent)["code"], pkce()[0])
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


@with_code
def test_a_client_may_send_its_secret_in_the_body(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-server-client-secret-post"""
    relying(flow, token_endpoint_auth_method="client_secret_post").tokens_of(signed_in)


@with_code
def test_a_code_is_used_once(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-codereuse, oidcc-codereuse-30seconds"""
    party = relying(flow)
    sent = party.start()
    answer = party.answer(signed_in, sent)
    tokens = party.finish(sent, answer)
    again = party.redeem(answer["code"], sent.verifier)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert {party.userinfo(token).status_code for token in tokens.access} == {401}


def test_a_code_is_long_and_random(relying: Relying, signed_in: Browser) -> None:
    """oidcc-server: at least 16 characters and 96 bits"""
    party = relying("code")
    codes = {party.answer(signed_in, party.start())["code"] for _ in range(4)}
    assert len(codes) == 4
    assert min(map(len, codes)) >= 43


def test_a_clients_refresh_token_is_its_own(relying: Relying, signed_in: Browser) -> None:
    """oidcc-refresh-token: with and without scope; client 2's token is nothing to client 1"""
    party, other = relying("code"), relying("code", client_name="Other")
    tokens = party.tokens_of(signed_in, scope="openid offline_access", prompt="consent")
    stolen = other.refresh(tokens.response["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    second = party.refresh(tokens.response["refresh_token"], scope="openid offline_access").json()
    assert party.refresh(second["refresh_token"]).status_code == 200


def test_a_registered_query_is_kept_and_an_answer_appended(
    op: RunningIdp, relying: Relying, signed_in: Browser
) -> None:
    """oidcc-redirect-uri-query-OK, -query-mismatch, -query-added"""
    uri = "https://query.test/cb?dummy1=lorem&dummy2=ipsum"
    party = relying("code", redirect_uris=[uri])
    sent = party.start()
    party.finish(sent, received(signed_in.open(sent.url), uri, "query"))
    for other in (uri.replace("lorem", "other"), f"{uri}&more=1", uri.partition("?")[0]):
        response = signed_in.open(party.start(redirect_uri=other).url)
        assert Page(response).main["data-error"] == "invalid_redirect_uri"


def test_with_two_redirect_uris_one_must_be_named(relying: Relying, signed_in: Browser) -> None:
    """oidcc-ensure-redirect-uri-in-authorization-request"""
    party = relying("code", redirect_uris=["https://two.test/a", "https://two.test/b"])
    for scope in ("openid", "email"):
        response = signed_in.open(party.start(redirect_uri=None, scope=scope).url)
        assert Page(response).main["data-error"] == "invalid_redirect_uri"
