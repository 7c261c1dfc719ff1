"""A relying party that takes its answer in any response mode, and insists that it came in that one alone."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import requests

from tests.support.flows import Page


def received(response: requests.Response, redirect_uri: str, mode: str) -> dict[str, str]:
    """The parameters of an authorization response, success or error, that left in this mode for this redirect URI."""
    if mode == "form_post":
        return _posted(response, redirect_uri)
    location = response.headers.get("Location")
    assert location is not None, f"no redirect: {response.status_code} {response.text[:1500]}"
    assert response.status_code == 303
    assert location.startswith(redirect_uri)
    parts = urlsplit(location)
    if mode == "fragment":
        assert parts.query == urlsplit(redirect_uri).query
        return _pairs(parts.fragment)
    assert parts.fragment == ""
    return _pairs(location[len(redirect_uri) + 1 :])


def _posted(response: requests.Response, redirect_uri: str) -> dict[str, str]:
    assert response.status_code == 200, f"{response.status_code} {response.headers} {response.text[:1500]}"
    form = Page(response).forms["response"]
    assert form.action == redirect_uri
    return form.fields


def _pairs(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
