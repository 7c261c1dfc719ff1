"""Every refusal is a problem that says what is wrong, and nothing else; tokens outlive the identity provider's absence."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.resource_server.apis import ALL, Apis, Caller, open_apis, problem, serve, signed_anew
from tests.support.ports import free_port

PAYMENT = {"amount": "12.34", "currency": "EUR"}
JSON = {"Content-Type": "application/json"}
GUARDED = [
    ("GET", "/v1/users/me"),
    ("GET", "/v1/orders"),
    ("POST", "/v1/orders"),
    ("GET", "/v1/orders/ord_x"),
    ("GET", "/v1/payments"),
    ("POST", "/v1/payments"),
    ("GET", "/v1/payments/pay_x"),
]


def anonymous(apis: Apis, method: str, path: str, **headers: str) -> requests.Response:
    return requests.request(method, f"{apis.url}{path}", headers=headers, timeout=30, allow_redirects=False)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_without_a_token_there_is_a_bare_challenge(apis: Apis, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        response = anonymous(apis, method, path, **headers)
        assert problem(response, 401, "unauthorized")["instance"] == path
        where = f'resource_metadata="{apis.url}/.well-known/oauth-protected-resource"'
        algorithms = 'algs="ES256 RS256 PS256 Ed25519 EdDSA"'
        assert response.headers["WWW-Authenticate"] == f"Bearer {where}, DPoP {algorithms}, {where}"


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_token_that_is_none_is_refused(apis: Apis, method: str, path: str) -> None:
    response = anonymous(apis, method, path, Authorization="Bearer e30.e30.e30")
    problem(response, 401, "invalid_token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_what_is_not_there_or_not_served_so_says_what_to_do(apis: Apis) -> None:
    assert problem(anonymous(apis, "GET", "/nothing"), 404, "not_found")["detail"].startswith("There is no such thing")
    wrong = anonymous(apis, "DELETE", "/v2/payments")
    assert problem(wrong, 405, "method_not_allowed")["detail"] == "Use one of the methods in Allow."
    assert "POST" in wrong.headers["Allow"]


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b"])
def test_credentials_in_a_wrong_form_are_a_malformed_request(apis: Apis, authorization: str) -> None:
    problem(anonymous(apis, "GET", "/v1/orders", Authorization=authorization), 400, "invalid_request")


def test_expired_early_and_foreign_tokens_are_refused_in_the_same_words(apis: Apis, somebody: Caller) -> None:
    now = int(time.time())
    assert Caller(apis.url, signed_anew(apis.idp, somebody.token, jti="another")).get("/v1/orders").status_code == 200
    wrong: list[dict[str, Any]] = [
        {"iat": now - 600, "exp": now - 300},
        {"iat": now - 600, "exp": now - 11},
        {"nbf": now + 300},
        {"aud": "https://other.test"},
        {"iss": "https://other.test"},
    ]
    details = set()
    for changes in wrong:
        response = Caller(apis.url, signed_anew(apis.idp, somebody.token, **changes)).get("/v1/orders")
        details.add(problem(response, 401, "invalid_token")["detail"])
    assert len(details) == 1


def test_a_token_for_userinfo_opens_no_service(apis: Apis) -> None:
    name = apis.new_person()
    response = apis.caller(name, "openid").get("/v1/users/me")
    assert response.status_code in {401, 403}
    problem(response, response.status_code, "invalid_token" if response.status_code == 401 else "insufficient_scope")


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/payments"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"amount": NaN}',
        b'{"amount": "1", "amount": "2"}',
        b'{"amount": "\\u0000"}',
        b'{"amount": "\\ud800"}',
        b'{"amount": "\xff"}',
        b'{"amount": ' + b"1" * 5000 + b"}",
        b"[" * 30_000,
        b'{"a":' * 8_000 + b"1" + b"}" * 8_000,
    ],
    ids=["empty", "open", "quotes", "nan", "twice", "nul", "surrogate", "latin", "digits", "deep list", "deep object"],
)
def test_a_body_that_is_no_json_is_malformed(somebody: Caller, path: str, body: bytes) -> None:
    problem(somebody.request("POST", path, data=body, headers=JSON), 400, "malformed")


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/payments"])
@pytest.mark.parametrize("kind", ["text/json", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_another_media_type_is_not_read(somebody: Caller, path: str, kind: str) -> None:
    response = somebody.request("POST", path, data=json.dumps(PAYMENT), headers={"Content-Type": kind})
    problem(response, 415, "unsupported_media_type")


def test_parameters_of_the_media_type_do_no_harm(somebody: Caller) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert somebody.request("POST", "/v1/payments", data=json.dumps(PAYMENT), headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/payments", "/events"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_bound_is_refused(somebody: Caller, path: str, chunked: bool) -> None:
    body = b'{"amount": "' + b"1" * 70_000 + b'"}'
    kind = "application/secevent+jwt" if path == "/events" else "application/json"
    response = somebody.request("POST", path, data=iter([body]) if chunked else body, headers={"Content-Type": kind})
    problem(response, 413, "request_entity_too_large")


def test_a_body_in_chunks_is_a_body(somebody: Caller) -> None:
    chunks = iter([b'{"amount": "1",', b' "currency": "EUR"}'])
    assert somebody.request("POST", "/v1/payments", data=chunks, headers=JSON).status_code == 201


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v2", "/v2/", "/v1/orders/", "/v1/orders/a/b", "/static/x", "/é"]
)
def test_an_unknown_path_is_not_found(somebody: Caller, path: str) -> None:
    problem(somebody.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["//v1/orders", "/v1//orders", "//evil.test/v1/orders"])
def test_an_untidy_path_is_no_redirect(somebody: Caller, path: str) -> None:
    parts = somebody.api.removeprefix("http://").split(":")
    with socket.create_connection((parts[0], int(parts[1])), timeout=30) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 404"), answer
    assert "application/problem+json" in answer


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "POST"])
def test_an_unknown_method_is_told_which_there_are(somebody: Caller, method: str) -> None:
    response = somebody.request(method, "/v1/orders/ord_x")
    problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/v1/orders/%00", "/v1/orders?page=%00", "/v1/%00", "/v1/payments/pay_%00"])
def test_nul_is_refused_before_it_reaches_anything(somebody: Caller, path: str) -> None:
    problem(somebody.get(path), 400, "malformed")


@pytest.mark.parametrize("given", ["abcdefgh-12", "short", "a b c d e f g h", "<script>alert(1)", "x" * 65])
def test_a_request_id_that_is_sound_is_kept_and_any_other_replaced(somebody: Caller, given: str) -> None:
    trace_id = problem(somebody.get("/none", headers={"X-Request-Id": given}), 404, "not_found")["trace_id"]
    assert (trace_id == given) == (given == "abcdefgh-12")


def test_a_trace_id_is_found_in_the_log_and_the_query_and_the_token_are_not(apis: Apis, somebody: Caller) -> None:
    response = somebody.get("/v1/orders?page=0&note=s3cret-note")
    trace_id = problem(response, 400, "invalid_parameter")["trace_id"]
    log = apis.logged()
    lines = [json.loads(line) for line in log.splitlines() if trace_id in line]
    assert [(line["path"], line["status"]) for line in lines] == [("/v1/orders", 400)]
    assert "s3cret-note" not in log
    assert somebody.token not in log


@pytest.fixture(scope="module")
def orphaned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Services whose identity provider stopped, and somebody with a token that was never used."""
    with open_apis(tmp_path_factory.mktemp("orphaned"), None, None) as apis:
        caller = apis.person(ALL)
        apis.idp.stop()
        yield apis, caller


def test_tokens_are_checked_with_the_kept_keys_when_the_issuer_is_away(orphaned: tuple[Apis, Caller]) -> None:
    apis, caller = orphaned
    order = {"lines": [{"sku": "a", "quantity": 1, "unit_price": "1.00"}], "currency": "EUR"}
    for _ in range(20):
        assert caller.post("/v1/orders", order).status_code == 201
    assert caller.get("/v1/orders").json()["total"] == 20
    assert caller.get("/v1/payments").json()["total"] == 0
    header, payload, signature = caller.token.split(".")
    forged = Caller(apis.url, f"{header}.{payload}.{signature[::-1]}")
    problem(forged.get("/v1/payments"), 401, "invalid_token")
    assert requests.get(f"{apis.url}/readyz", timeout=30).json()["keys"] == "present"


def test_no_money_moves_while_nobody_can_tell_whether_a_token_was_revoked(orphaned: tuple[Apis, Caller]) -> None:
    _, caller = orphaned
    refused = caller.post("/v1/payments", PAYMENT)
    problem(refused, 503, "temporarily_unavailable")
    assert int(refused.headers["Retry-After"]) > 0


def test_services_that_start_without_their_issuer_do_not_know_who_calls(
    orphaned: tuple[Apis, Caller], tmp_path: Path
) -> None:
    apis, caller = orphaned
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(apis.idp, tmp_path, url, "/livez", RS_AUDIENCE=apis.url, RS_LOG_LEVEL="error")
    try:
        response = Caller(url, caller.token).get("/v1/payments")
        problem(response, 503, "temporarily_unavailable")
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["retryable"] is True
        ready = requests.get(f"{url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["keys"]) == (503, "absent")
    finally:
        assert process.stop() == 0
    assert process.log.read_text() == ""
