"""The same API in Flask, plain WSGI, Starlette, FastAPI and Django, each on a real server: the same answers everywhere."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from token_guard import CertificateHeader, Dpop, Guard, IssuerTrust, Needs, Nonces
from token_guard.adapters.asgi import AsgiGuard
from token_guard.certificates import thumbprint
from token_guard.fetch import Fetched, FetchError

from tests.guard import certs
from tests.guard.minting import AUDIENCE, ISSUER, FromNow, jwks, token
from tests.guard.proofs import HOLDER, bound, proof
from tests.guard.serving import APIS, serving, starlette_app, wsgi_app

ALGORITHMS = 'algs="ES256 RS256 PS256 Ed25519 EdDSA"'
WHERE = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'


def guard(**options: Any) -> Guard:
    fetch = options.pop("fetch", lambda _trust: Fetched(jwks(), 300))
    return Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=fetch, resource=AUDIENCE, **options)


@pytest.fixture(scope="module", params=APIS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def api(kind: str) -> Iterator[str]:
    with serving(kind, guard(certificates=CertificateHeader(("127.0.0.1",)))) as url:
        yield url


def get(api: str, presented: str | None, scheme: str = "Bearer", **headers: str) -> requests.Response:
    sent = {} if presented is None else {"Authorization": f"{scheme} {presented}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(f"{api}/payments", headers={**sent, **named}, timeout=30)


def code(response: requests.Response) -> str:
    """The error code of a plain answer; FastAPI puts it into its own form."""
    document = response.json()
    inner = document.get("detail") or document
    assert set(inner) <= {"error", "error_description", "trace_id"}
    return str(inner["error"])


def test_a_good_token_gets_the_answer(api: str) -> None:
    response = get(api, token())
    assert (response.status_code, response.json()) == (200, {"owner": "person-1"})


def test_what_is_open_is_open(api: str) -> None:
    assert requests.get(f"{api}/health", timeout=30).status_code == 200


def test_no_token_is_a_challenge_without_a_code(api: str) -> None:
    for response in (get(api, None), get(api, "YTpi", "Basic")):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == f"Bearer {WHERE}, DPoP {ALGORITHMS}, {WHERE}"
        assert "error" not in response.text
        assert response.headers["Cache-Control"] == "no-store"


def test_a_bad_token_is_401_and_the_reason_stays_inside(api: str) -> None:
    for presented in (token(exp=FromNow(-60)), token(aud="https://other.test"), "nonsense", "eyJ.eyJ.eyJ"):
        response = get(api, presented)
        assert (response.status_code, code(response)) == (401, "invalid_token")
        assert 'Bearer error="invalid_token"' in response.headers["WWW-Authenticate"]
        assert "expired" not in response.text + str(response.headers)


def test_a_malformed_header_is_400(api: str) -> None:
    for presented in ("", "a b"):
        response = get(api, presented)
        assert (response.status_code, code(response)) == (400, "invalid_request")


def test_a_missing_scope_is_403_and_named(api: str) -> None:
    response = get(api, token(scope="write"))
    assert (response.status_code, code(response)) == (403, "insufficient_scope")
    assert 'scope="read"' in response.headers["WWW-Authenticate"]


def test_the_trace_id_of_the_caller_is_told_back(api: str) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = get(api, token(exp=5), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert trace in response.text


def test_a_proof_is_for_the_url_of_the_request(kind: str, api: str) -> None:
    presented = bound()
    assert get(api, presented, "DPoP", DPoP=proof(presented)).status_code == 200
    assert code(get(api, presented, "DPoP", DPoP=proof(presented, htm="POST"))) == "invalid_dpop_proof"
    recent = bound(auth_time=FromNow(-5))
    proved = {"Authorization": f"DPoP {recent}", "DPoP": proof(recent, htm="POST")}
    posted = requests.post(f"{api}/payments?x=1", headers=proved, timeout=30)
    assert posted.status_code == 200, "a guarded view is exempt from form protection"
    refused = get(api, presented)
    assert (refused.status_code, code(refused)) == (401, "invalid_token")
    assert "bound to a key" in refused.text


def test_a_view_may_ask_for_more(api: str) -> None:
    for age, status in ((5, 200), (500, 401)):
        headers = {"Authorization": f"Bearer {token(auth_time=FromNow(-age))}"}
        response = requests.post(f"{api}/payments", headers=headers, timeout=30)
        assert response.status_code == status
    assert code(response) == "insufficient_user_authentication"
    assert 'max_age="300"' in response.headers["WWW-Authenticate"]


def twice(api: str, *headers: tuple[str, str]) -> int:
    """The status of a request that repeats header fields."""
    parts = urlsplit(api)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("GET", "/payments")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse().status


def test_repeated_fields_are_401(api: str) -> None:
    presented = bound()
    authorization = ("Authorization", f"DPoP {presented}")
    assert twice(api, authorization, ("DPoP", proof(presented))) == 200
    assert twice(api, authorization, ("DPoP", proof(presented)), ("DPoP", proof(presented))) == 401
    assert twice(api, ("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")) == 401


def test_strange_bytes_are_no_fault_of_ours(api: str) -> None:
    for value in ("Bearer \xff\xfe", "Bearer \x7f", "\xff", "Bearer " + "A" * 9000, "DPoP \x80"):
        assert twice(api, ("Authorization", value), ("DPoP", "\xff"), ("traceparent", "\xe9")) in {400, 401}


def test_the_certificate_a_trusted_proxy_tells_of(api: str, tmp_path: Path) -> None:
    holder = certs.make(tmp_path, "holder")
    presented = token(cnf={"x5t#S256": thumbprint(holder.der)})
    told = f":{base64.b64encode(holder.der).decode()}:"
    assert get(api, presented, Client_Cert=told).status_code == 200
    assert get(api, presented).status_code == 401
    assert get(api, presented, Client_Cert=":AAAA:").status_code == 401


def test_nonces_are_asked_for_and_renewed(kind: str) -> None:
    nonces = Nonces((b"s" * 32,), lifetime=2)
    with serving(kind, guard(dpop=Dpop(nonces=nonces))) as url:
        presented = bound()
        first = get(url, presented, "DPoP", DPoP=proof(presented))
        assert (first.status_code, code(first)) == (401, "use_dpop_nonce")
        nonce, renewed = first.headers["DPoP-Nonce"], ""
        for _ in range(200):
            response = get(url, presented, "DPoP", DPoP=proof(presented, nonce=nonce))
            renewed = response.headers.get("DPoP-Nonce", "")
            if renewed:
                break
        assert renewed != nonce, "an answer brings the next nonce before the old one ends"


def test_when_nobody_can_know_it_is_503(kind: str) -> None:
    def away(_trust: IssuerTrust) -> Fetched:
        raise FetchError("away")

    with serving(kind, guard(fetch=away)) as url:
        response = get(url, token())
        assert (response.status_code, code(response)) == (503, "temporarily_unavailable")
        assert int(response.headers["Retry-After"]) > 0
        assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("kind", ["django", "django-asgi"])
def test_an_async_view_is_guarded_like_any_other(kind: str) -> None:
    with serving(kind, guard()) as url:
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {token()}"}, 200)):
            assert requests.get(f"{url}/async/payments", headers=headers, timeout=30).status_code == status


@pytest.mark.parametrize("kind", ["django", "django-asgi"])
def test_a_path_may_be_of_any_script(kind: str) -> None:
    where, presented = "/b%C3%BCcher/%E2%82%AC", bound()
    with serving(kind, guard()) as url:
        sent = {"Authorization": f"DPoP {presented}", "DPoP": proof(presented, htu=AUDIENCE + where)}
        assert requests.get(url + where, headers=sent, timeout=30).status_code == 200
        assert requests.get(url + where, timeout=30).status_code == 401


@pytest.mark.parametrize("kind", ["wsgi", "starlette"])
def test_middleware_serves_the_metadata(kind: str) -> None:
    with serving(kind, guard()) as url:
        response = requests.get(f"{url}/.well-known/oauth-protected-resource", timeout=30)
        assert response.headers["Content-Type"] == "application/json"
        assert response.json()["scopes_supported"] == ["read"]


def test_the_openapi_document_shows_what_is_guarded() -> None:
    with serving("fastapi", guard()) as url:
        document = requests.get(f"{url}/openapi.json", timeout=30).json()
    assert document["paths"]["/payments"]["get"]["security"] == [{"access token": []}]
    assert "security" not in document["paths"]["/health"]["get"]


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}], ids=["closed", "answered"])
def test_a_web_socket_is_judged_when_it_opens(extensions: dict[str, Any]) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["token_guard.principal"].subject == "person-1"
        await send({"type": "websocket.accept"})

    def run(*headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/payments", "headers": headers, "extensions": extensions}
        asyncio.run(AsgiGuard(app, guard(), needs=Needs(scopes=("read",)))(scope, receive, send))
        return sent

    assert run((b"authorization", f"Bearer {token()}".encode())) == [{"type": "websocket.accept"}]
    refused = run()
    if extensions:
        assert (refused[0]["type"], refused[0]["status"]) == ("websocket.http.response.start", 401)
    else:
        assert refused == [{"type": "websocket.close", "code": 1008}]


def test_middleware_says_on_purpose_what_is_open() -> None:
    assert wsgi_app(guard())
    assert starlette_app(guard())
    with serving("wsgi", guard()) as url:
        assert requests.get(f"{url}/nowhere", timeout=30).status_code == 401
        assert json.loads(requests.get(f"{url}/health", timeout=30).text) == {}


def test_a_key_and_a_certificate_reach_every_framework(api: str, tmp_path: Path) -> None:
    holder = certs.make(tmp_path, "both")
    both = token(cnf={"x5t#S256": thumbprint(holder.der), "jkt": HOLDER.thumbprint()})
    told = f":{base64.b64encode(holder.der).decode()}:"
    assert get(api, both, "DPoP", DPoP=proof(both), Client_Cert=told).status_code == 200
    assert get(api, both, "DPoP", DPoP=proof(both)).status_code == 401
