"""What others wrote, over the wire: DPoP clients from npm get tokens, verifiers from npm accept ours and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import API
from tests.senders.conftest import CALLBACK, web_client
from tests.senders.holder import BoundApp
from tests.support import node
from tests.support.flows import App, Browser, Page, claims
from tests.support.running import PASSWORD, RunningIdp

SCRIPTS = Path(__file__).parent / "foreign"
ALGORITHMS = ["ES256", "PS256", "Ed25519"]


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("openid-client@6", "oauth4webapi@3", "jose@6", "express@5", "express-oauth2-jwt-bearer@1")
    return node.packages(tmp_path_factory.mktemp("npm"), *names)


@pytest.fixture(scope="module")
def demanding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that demands nonces."""
    with RunningIdp(tmp_path_factory.mktemp("demanding") / "idp", dpop_nonce="true") as running:
        running.user("alice")
        running.cli("resource", "create", API, "--scope", "read=Read things")
        yield running


@pytest.fixture(params=["without nonces", "with nonces"])
def provider(request: pytest.FixtureRequest, idp: RunningIdp, demanding: RunningIdp) -> RunningIdp:
    return demanding if request.param == "with nonces" else idp


def landed(browser: Browser, url: str) -> str:
    """Where a person ends who logs in and allows everything."""
    page = Page(browser.submit(Page(browser.open(url)), "login", username="alice", password=PASSWORD))
    return browser.submit(page, "consent", decision="allow").headers["Location"]


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
def test_openid_client_logs_in_with_dpop(npm: Path, provider: RunningIdp, method: str) -> None:
    client = web_client(provider, token_endpoint_auth_method=method)
    given = {"metadata": client, "redirect_uri": CALLBACK, "scope": "openid offline_access read"}
    with node.Script(npm, SCRIPTS / "openid_client.mjs", issuer=provider.issuer, **given) as script:
        result = script.ask(landed(Browser(provider.url), script.ask()["url"]))
    for answer in (result["tokens"], result["again"]):
        assert answer["token_type"] == "dpop"
        assert claims(answer["access_token"])["cnf"] == {"jkt": result["jkt"]}
    assert result["person"]["sub"] == claims(result["tokens"]["id_token"])["sub"]
    assert result["stolen"] == ("invalid_grant" if method == "none" else "given")


def test_oauth4webapi_gets_service_tokens_with_dpop(npm: Path, provider: RunningIdp) -> None:
    client = provider.client(grant_types=["client_credentials"], audience=[API], dpop_bound_access_tokens=True)
    given = {"metadata": client, "algorithms": ALGORITHMS}
    with node.Script(npm, SCRIPTS / "oauth4webapi.mjs", issuer=provider.issuer, **given) as script:
        answers = script.ask()
    assert set(answers) == set(ALGORITHMS)
    for answer in answers.values():
        assert answer["tokens"]["token_type"] == "dpop"
        assert claims(answer["tokens"]["access_token"])["cnf"] == {"jkt": answer["jkt"]}
        assert answer["retried"] is ("IDP_DPOP_NONCE" in provider.environ)


@pytest.fixture
def verifiers(npm: Path, idp: RunningIdp) -> Iterator[node.Script]:
    with node.Script(npm, SCRIPTS / "verifiers.mjs", issuer=idp.issuer, audience=API) as script:
        yield script


@pytest.fixture(scope="module")
def other_api(idp: RunningIdp) -> str:
    """An API that is not the verifiers'."""
    uri = "https://foreign.test"
    idp.cli("resource", "create", uri, "--scope", "write=Write things")
    return uri


def test_jose_and_express_accept_our_tokens_and_no_others(
    verifiers: node.Script, idp: RunningIdp, service: App, other_api: str
) -> None:
    things = verifiers.ask()["url"]

    def said(token: str) -> tuple[int, Any]:
        answer = requests.get(things, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        return answer.status_code, verifiers.ask(token)

    good = service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    assert said(good) == (200, {"payload": claims(good)})
    header, payload, signature = good.split(".")
    assert said(f"{header}.{payload}.{signature[:-8]}AAAAAAAA") == (
        401,
        {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
    )
    elsewhere = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[other_api]))
    foreign = elsewhere.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    assert said(foreign) == (401, {"error": "ERR_JWT_CLAIM_VALIDATION_FAILED"})


def test_express_takes_a_bound_token_from_its_holder_alone(
    verifiers: node.Script, idp: RunningIdp, worker: BoundApp
) -> None:
    things = verifiers.ask()["url"]
    token = worker.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    assert verifiers.ask(token) == {"payload": claims(token)}
    thief = BoundApp(idp.url, worker.client)
    for holder, status in ((worker, 200), (thief, 401)):
        headers = {"Authorization": f"DPoP {token}", "DPoP": holder.key.proof("GET", things, token=token)}
        assert requests.get(things, headers=headers, timeout=30).status_code == status
    assert requests.get(things, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 401
