"""v1 beside v2: how its end is announced, rehearsed and made (RFC 9745, RFC 8594)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.resource_server.apis import Apis, Caller, problem, serve
from tests.support.ports import free_port


@contextlib.contextmanager
def node(apis: Apis, folder: Path, **settings: str) -> Iterator[str]:
    """Another node of the same services, set otherwise."""
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(apis.idp, folder, url, RS_AUDIENCE=apis.url, **settings)
    try:
        yield url
    finally:
        process.stop()


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/pay_x", "/v1/payments/pay_x/none"])
def test_every_answer_of_v1_says_when_it_ends_and_what_follows(apis: Apis, somebody: Caller, path: str) -> None:
    for response in (somebody.get(path), requests.get(f"{apis.url}{path}", timeout=30)):
        assert response.headers["Deprecation"] == "@1795564800"
        assert response.headers["Sunset"] == "Wed, 30 Jun 2027 00:00:00 GMT"
        links = response.headers["Link"].split(", ")
        assert f'<{path.replace("v1", "v2")}>; rel="successor-version"' in links
        assert {link.rpartition("rel=")[2].split(";")[0] for link in links} == {
            '"deprecation"',
            '"sunset"',
            '"successor-version"',
        }


def test_a_path_with_control_characters_does_no_harm_to_the_links(somebody: Caller) -> None:
    response = somebody.get("/v1/payments/%0d%0aX-Evil:1")
    problem(response, 404, "not_found")
    assert "X-Evil" not in response.headers


def test_what_nothing_follows_does_not_end(apis: Apis, somebody: Caller, tmp_path: Path) -> None:
    ended = {"RS_V1_DEPRECATED": "2025-01-01", "RS_V1_SUNSET": "2025-12-01T00:00:00Z"}
    with node(apis, tmp_path, **ended) as url:
        response = Caller(url, somebody.token).get("/v1/none")
        problem(response, 404, "not_found")
        assert not {"Deprecation", "Sunset", "Link"} & set(response.headers)


def test_what_changes_is_told_where_the_links_lead(apis: Apis, somebody: Caller) -> None:
    links = requests.utils.parse_header_links(somebody.get("/v1/payments").headers["Link"])
    (told,) = {link["url"] for link in links if link["rel"] in {"deprecation", "sunset"}}
    page = requests.get(f"{apis.url}{told}", headers={"Accept": "text/html"}, timeout=30)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "next_page_token" in page.text


def test_what_is_of_no_version_says_nothing_of_one(apis: Apis) -> None:
    assert "Deprecation" not in requests.get(f"{apis.url}/livez", timeout=30).headers


@pytest.mark.parametrize("path", ["/v3/orders", "/v0", "/v10/orders/x", "/v999999"])
def test_an_unknown_version_is_told_which_there_are(somebody: Caller, path: str) -> None:
    response = somebody.get(path)
    assert response.status_code == 404
    assert (response.json()["code"], response.json()["versions"]) == ("unknown_version", ["v1", "v2"])


def test_in_a_brownout_v1_is_missing_and_then_back(apis: Apis, somebody: Caller, tmp_path: Path) -> None:
    begin = datetime.fromtimestamp(time.time() - 1000, UTC).isoformat().replace("+00:00", "Z")
    with node(apis, tmp_path, RS_V1_BROWNOUTS=f"{begin}/3600, 2020-01-01T00:00:00Z/60") as url:
        response = Caller(url, somebody.token).get("/v1/payments")
        assert (response.status_code, response.json()["code"]) == (410, "version_gone")
        assert 2500 < int(response.headers["Retry-After"]) <= 2601
        assert response.json()["versions"] == ["v2"]
        assert response.headers["Sunset"]
    begin = datetime.fromtimestamp(time.time() - 1000, UTC).isoformat().replace("+00:00", "Z")
    with node(apis, tmp_path, RS_V1_BROWNOUTS=f"{begin}/900") as url:
        assert Caller(url, somebody.token).get("/v1/payments").status_code == 200


def test_after_its_end_v1_is_gone_for_everybody(apis: Apis, somebody: Caller, tmp_path: Path) -> None:
    ended = {"RS_V1_DEPRECATED": "2025-01-01", "RS_V1_SUNSET": "2025-12-01T00:00:00Z"}
    with node(apis, tmp_path, **ended) as url:
        for response in (
            Caller(url, somebody.token).get("/v1/payments"),
            requests.get(f"{url}/v1/payments/x", timeout=30),
        ):
            assert (response.status_code, response.json()["code"]) == (410, "version_gone")
            assert "Retry-After" not in response.headers
            assert response.json()["migration"].startswith("/docs/")
        assert requests.get(f"{url}/livez", timeout=30).status_code == 200


def test_who_still_calls_v1_is_counted_where_operators_look(apis: Apis, somebody: Caller, tmp_path: Path) -> None:
    port = free_port()
    with node(apis, tmp_path, RS_METRICS_PORT=str(port)) as url:
        for _ in range(3):
            assert Caller(url, somebody.token).get("/v1/payments").status_code == 200
        line = f'rs_calls_of_v1_total{{client="{apis.app.client_id}",service="payments"}} 3.0'
        deadline = time.monotonic() + 20
        while line not in (told := requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text):
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        problem(requests.get(f"{url}/metrics", timeout=30), 404, "not_found")
