"""The page that takes a token apart: what is in it, each check with its result, and not a trace of it anywhere."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.payments.paying import eventually
from tests.resource_server.apis import Apis, Caller, problem, signed_anew

PAGE = "/reference/token"
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def taken_apart(apis: Apis, token: str) -> str:
    """The page about a token, as text."""
    response = requests.post(f"{apis.url}{PAGE}", data={"token": token}, timeout=30)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<script|<img|<[^>]*\s(style|on\w+)=", response.text)
    return response.text


def results(page: str) -> dict[str, str]:
    """What each check said."""
    rows = re.findall(r'<tr><th scope="row">(\w+)</th><td>[^<]*\?</td><td>([^<]*)</td></tr>', page)
    return dict(rows)


def made(header: Any, claims: Any) -> str:
    """Three parts, of which nobody signed any."""
    parts = [json.dumps(part).encode() if not isinstance(part, bytes) else part for part in (header, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "AAAA"])


def test_what_is_in_a_token_is_shown_with_what_it_says(apis: Apis, somebody: Caller) -> None:
    page = html.unescape(taken_apart(apis, f"  Bearer {somebody.token}\n"))
    assert "This API accepts it" in page
    assert '"at+jwt"' in page
    assert f'<code>"{apis.idp.issuer}"</code></td><td>who issued it' in page
    assert re.search(r"when it ends: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page)
    assert somebody.token.rpartition(".")[2] in page
    assert set(results(page).values()) == {"passed"}


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        (lambda apis, token: signed_anew(apis.idp, token, aud="https://other.test"), "audience"),
        (lambda apis, token: signed_anew(apis.idp, token, iat=1_700_000_000, exp=1_700_000_300), "expired"),
        (lambda apis, token: f"{token[:-6]}AAAAAA", "signature"),
        (lambda apis, token: signed_anew(apis.idp, token, cnf={"jkt": "x" * 43}), "binding"),
        (lambda apis, token: "garbage", "shape"),
    ],
    ids=["audience", "expired", "signature", "binding", "shape"],
)
def test_the_check_that_refuses_is_named_with_what_to_do(
    apis: Apis, somebody: Caller, changed: Callable[[Apis, str], str], check: str
) -> None:
    page = taken_apart(apis, changed(apis, somebody.token))
    assert "This API refuses it" in page
    assert f"Refused by <code>{check}</code>" in page
    assert "What to do: " in page
    found = list(results(page).items())
    at = found.index((check, "refused"))
    assert {result for _, result in found[:at]} <= {"passed"}
    assert {result for _, result in found[at + 1 :]} <= {"not asked"}


def test_a_revoked_token_is_said_to_be_so(apis: Apis) -> None:
    caller = apis.person()
    assert apis.app.post("/oauth/revoke", token=caller.token).status_code == 200
    eventually(lambda: taken_apart(apis, caller.token), lambda page: "Refused by <code>status</code>" in page)


HOSTILE = {
    "markup": made(
        {"alg": "ES256", "typ": "at+jwt", "<script>alert(1)</script>": '"><img src=x onerror=alert(1)>'}, {}
    ),
    "markup in claims": made({"alg": "none"}, {"iss": "</code><script>alert(1)</script>", "exp": "<b>"}),
    "a half character": made({"typ": "\ud800"}, b'{"aud": "\\ud800", "\\udfff": 1}'),
    "deep": made({}, b'{"a":' * 900 + b"1" + b"}" * 900),
    "times that are none": made({}, {"exp": 1e308, "iat": -1, "nbf": [], "auth_time": True}),
    "a large number": made({}, b'{"exp": ' + b"9" * 4000 + b"}"),
    "no objects": made([], "x"),
    "nul": "\x00.\x00.\x00",
    "not ascii": "é.è.ê",
    "dots": "." * 1000,
    "two tokens": "a.b.c, Bearer d.e.f",
    "a template": "{{ 7 * 7 }}.{% for %}.x",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_is_pasted_is_refused_and_shown_as_text(apis: Apis, what: str) -> None:
    page = taken_apart(apis, HOSTILE[what])
    assert "This API refuses it" in page
    assert "alert(1)</script>" not in page.replace("&lt;", "")


def test_without_a_token_there_is_the_form(apis: Apis) -> None:
    for response in (
        requests.get(f"{apis.url}{PAGE}", timeout=30),
        requests.post(f"{apis.url}{PAGE}", data={"token": "  "}, timeout=30),
        requests.post(f"{apis.url}{PAGE}", data={"other": "x"}, timeout=30),
    ):
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
        assert "<textarea" in response.text
        assert "verdict" not in response.text


def test_anything_but_a_form_of_some_size_is_refused(apis: Apis) -> None:
    url = f"{apis.url}{PAGE}"
    problem(requests.post(url, json={"token": "x"}, timeout=30), 415, "unsupported_media_type")
    problem(requests.post(url, files={"token": b"x"}, timeout=30), 415, "unsupported_media_type")
    problem(requests.post(url, data={"token": "x" * 70_000}, timeout=30), 413, "request_entity_too_large")
    problem(requests.put(url, timeout=30), 405, "method_not_allowed")


def test_nothing_of_it_is_logged(apis: Apis) -> None:
    caller = apis.person()
    refused = signed_anew(apis.idp, caller.token, aud="https://secret-audience.test")
    for token in (caller.token, refused):
        taken_apart(apis, token)
    logged = apis.logged()
    assert PAGE in logged
    for trace in (caller.token, refused, refused.rpartition(".")[2], "secret-audience"):
        assert trace not in logged
