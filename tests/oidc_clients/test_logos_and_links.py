"""What a client shows of itself on the login and consent pages: name, logo and links; logos come from our own origin, pictures only."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from tests.oidc_clients.registering import Owned, registered
from tests.support.flows import App, Browser, Page
from tests.support.published import Site
from tests.support.running import PASSWORD, RunningIdp

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG, GIF, WEBP = b"\xff\xd8\xff\xe0rest", b"GIF89arest", b"RIFF\x00\x00\x00\x00WEBPrest"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def with_logo(registry: RunningIdp, site: Site, body: bytes, **changes: Any) -> Owned:
    return registered(registry.url, logo_uri=site.publish("/logo", body, **changes))


def logo_of(registry: RunningIdp, client_id: str) -> requests.Response:
    return requests.get(f"{registry.url}/logo", params={"client_id": client_id}, timeout=30)


def test_the_login_page_itself_shows_them(registry: RunningIdp, site: Site) -> None:
    """oidcc-registration-logo-uri, oidcc-registration-policy-uri, oidcc-registration-tos-uri."""
    client = registered(
        registry.url,
        client_name="Shop & Co",
        client_uri="https://app.test",
        logo_uri=site.publish("/logo", PNG, content_type="image/png"),
        policy_uri="https://app.test/policy?a=1&b=2",
        tos_uri="https://app.test/tos",
    )
    app, browser = App(registry.url, client.document), Browser(registry.url)
    login = browser.open(app.authorize_url()[0])
    consent = browser.submit(Page(login), "login", username="alice", password=PASSWORD)
    for page in (login, consent):
        assert "Shop &amp; Co" in page.text
        for href in ("https://app.test", "https://app.test/policy?a=1&amp;b=2", "https://app.test/tos"):
            assert f'href="{href}"' in page.text
        assert f'src="{registry.issuer}/logo?client_id={client.client_id}"' in page.text
        assert site.url not in page.text
        assert "img-src 'self'" in page.headers["Content-Security-Policy"]
    assert {"login", "consent"} == {name for page in (login, consent) for name in Page(page).forms} & {
        "login",
        "consent",
    }


@pytest.mark.parametrize(
    ("accepted", "name", "policy"),
    [
        ("ja", "\u5e97", "policy-en"),
        ("fr, ja-JP;q=0.9, de;q=0.5", "\u5e97", "policy-de"),
        ("de-CH", "Laden", "policy-de"),
        ("fr", "Shop", "policy-en"),
        ("", "Shop", "policy-en"),
    ],
)
def test_texts_are_shown_in_the_language_of_the_browser(
    registry: RunningIdp, accepted: str, name: str, policy: str
) -> None:
    client = registered(
        registry.url,
        **{
            "client_name": "Shop",
            "client_name#ja-Jpan-JP": "\u5e97",
            "client_name#de": "Laden",
            "policy_uri": "https://app.test/policy-en",
            "policy_uri#de": "https://app.test/policy-de",
        },
    )
    browser = Browser(registry.url)
    browser.http.headers["Accept-Language"] = accepted
    page = browser.open(App(registry.url, client.document).authorize_url()[0])
    page.encoding = "utf-8"
    assert f"<strong>{name}</strong>" in page.text
    assert f"https://app.test/{policy}" in page.text


def test_without_a_logo_the_page_has_none(registry: RunningIdp) -> None:
    client = registered(registry.url)
    login = Browser(registry.url).open(App(registry.url, client.document).authorize_url()[0])
    assert "<img" not in login.text
    assert logo_of(registry, client.client_id).status_code == 404


@pytest.mark.parametrize(
    ("body", "media_type"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")]
)
def test_a_picture_is_served_as_what_its_bytes_are(
    registry: RunningIdp, site: Site, body: bytes, media_type: str
) -> None:
    client = with_logo(registry, site, body, content_type="text/html")
    answers = [logo_of(registry, client.client_id) for _ in range(3)]
    for answer in answers:
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert site.asked == ["/logo"]


@pytest.mark.parametrize(
    "body",
    [SVG, b"<html>", b"", b"RIFF....WAVE", PNG + b"x" * 300_000],
    ids=["svg", "html", "empty", "sound", "too large"],
)
def test_anything_else_is_not_served(registry: RunningIdp, site: Site, body: bytes) -> None:
    client = with_logo(registry, site, body, content_type="image/png")
    for _ in range(3):
        assert logo_of(registry, client.client_id).status_code == 404
    assert site.asked == ["/logo"]


def test_a_host_that_is_away_or_out_of_bounds_costs_nothing_but_the_logo(registry: RunningIdp, site: Site) -> None:
    away = registered(registry.url, logo_uri=f"{site.url}/nowhere")
    inside = registered(registry.url, logo_uri="https://10.0.0.1/logo.png")
    for client in (away, inside):
        assert logo_of(registry, client.client_id).status_code == 404
    for query in ("", "?client_id=unknown", "?client_id=a&client_id=b"):
        assert requests.get(f"{registry.url}/logo{query}", timeout=30).status_code in {400, 404}


def test_a_large_logo_within_the_bound_is_served(registry: RunningIdp, site: Site) -> None:
    body = PNG + b"\x00" * 200_000
    assert logo_of(registry, with_logo(registry, site, body).client_id).content == body


def test_a_disabled_client_shows_nothing(registry: RunningIdp, site: Site) -> None:
    client = with_logo(registry, site, PNG)
    registry.cli("client", "disable", client.client_id)
    assert logo_of(registry, client.client_id).status_code == 404
