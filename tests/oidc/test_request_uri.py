"""Request objects by reference: fetched from an address the client registered, through the outbound guard (OpenID Connect Core §6.2)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oidc.conftest import Relying
from tests.oidc.objects import JWKS, about, signed, unsigned
from tests.oidc.rp import FLOWS, Flow, RelyingParty, Sent, registered
from tests.support.flows import Browser
from tests.support.published import Document, Site
from tests.support.running import RunningIdp

CODE = Flow("code")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def referring(op: RunningIdp, site: Site, flow: Flow = CODE, **metadata: object) -> tuple[RelyingParty, str]:
    """A client that registered one address of its own, with a fragment; and that address."""
    uri = f"{site.url}/{secrets.token_hex(8)}#{secrets.token_hex(8)}"
    return RelyingParty(op, flow, registered(op, flow, jwks=JWKS, request_uris=[uri], **metadata)), uri


def publish(site: Site, uri: str, token: str | bytes, **changes: object) -> str:
    path = uri.removeprefix(site.url).partition("#")[0]
    body = token if isinstance(token, bytes) else token.encode()
    site.documents[path] = Document(body, "application/oauth-authz-req+jwt", **changes)  # type: ignore[arg-type]
    return path


def claims_of(party: RelyingParty, sent: Sent) -> dict[str, object]:
    return about(party.client_id, party.issuer, **sent.parameters)


def referred(party: RelyingParty, sent: Sent, uri: str) -> str:
    names = ("client_id", "response_type", "scope", "redirect_uri")
    return party.authorize_url(
        **{**dict.fromkeys(sent.parameters), **{n: sent.parameters[n] for n in names}, "request_uri": uri}
    )[0]


@pytest.mark.parametrize("flow", FLOWS[::2], ids=str)
def test_a_signed_object_is_fetched_and_honoured(op: RunningIdp, site: Site, signed_in: Browser, flow: Flow) -> None:
    """oidcc-request-uri-signed-rs256"""
    party, uri = referring(op, site, flow, request_object_signing_alg="RS256")
    sent = party.start()
    path = publish(site, uri, signed(claims_of(party, sent)))
    party.finish(sent, party.received(signed_in.open(referred(party, sent, uri))))
    assert site.times(path) == 1


def test_an_unsigned_object_is_fetched_and_honoured(op: RunningIdp, site: Site, signed_in: Browser) -> None:
    """oidcc-request-uri-unsigned"""
    party, uri = referring(op, site)
    sent = party.start()
    publish(site, uri, unsigned(sent.parameters) + "\n")
    party.finish(sent, party.received(signed_in.open(referred(party, sent, uri))))


def test_the_object_may_change_from_request_to_request(op: RunningIdp, site: Site, signed_in: Browser) -> None:
    party, uri = referring(op, site)
    for _ in range(2):
        sent = party.start()
        publish(site, uri, signed(claims_of(party, sent)))
        party.finish(sent, party.received(signed_in.open(referred(party, sent, uri))))


def test_nothing_that_is_not_registered_is_fetched(op: RunningIdp, site: Site, signed_in: Browser) -> None:
    party, uri = referring(op, site)
    sent = party.start()
    path = publish(site, uri, signed(claims_of(party, sent)))
    bare = uri.partition("#")[0]
    strange = [
        bare,
        f"{bare}#other",
        f"{bare}?x=1",
        uri + "x",
        f"{site.url}/other",
        "https://evil.test/",
        "urn:x",
        "x" * 600,
    ]
    for one in strange:
        assert party.received(signed_in.open(referred(party, sent, one)))["error"] == "invalid_request_uri", one
    assert site.times(path) == 0
    assert site.times("/other") == 0


def test_a_foreign_clients_reference_is_not_fetched(op: RunningIdp, site: Site, signed_in: Browser) -> None:
    _, uri = referring(op, site)
    other, _ = referring(op, site)
    assert other.received(signed_in.open(referred(other, other.start(), uri)))["error"] == "invalid_request_uri"


ANSWERS = {
    "not there": Document(b"", status=404),
    "an error": Document(b"", status=500),
    "empty": Document(b""),
    "too long": Document(b"x" * 70_000),
    "not ascii": Document(b"\xff\xfe.\x00."),
    "a page": Document(b"<!doctype html><title>hello</title>", "text/html"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_address_that_answers_something_else_is_an_error(
    op: RunningIdp, site: Site, signed_in: Browser, answer: str
) -> None:
    party, uri = referring(op, site)
    site.documents[uri.removeprefix(site.url).partition("#")[0]] = ANSWERS[answer]
    refused = party.received(signed_in.open(referred(party, party.start(), uri)))
    assert refused["error"] in {"invalid_request_uri", "invalid_request_object"}


def test_an_address_that_nobody_answers_is_an_error(op: RunningIdp, signed_in: Browser, relying: Relying) -> None:
    party = relying("code", request_uris=["https://127.0.0.1:1/gone"])
    refused = party.received(signed_in.open(referred(party, party.start(), "https://127.0.0.1:1/gone")))
    assert refused["error"] == "invalid_request_uri"


def test_an_address_within_our_own_walls_is_not_asked(tmp_path_factory: pytest.TempPathFactory, site: Site) -> None:
    """STANDARDS §2: special ranges are out of reach unless they are let through."""
    folder: Path = tmp_path_factory.mktemp("walls")
    with RunningIdp(folder, outbound_allow="192.0.2.0/24") as walled:
        party, uri = referring(walled, site)
        sent = party.start()
        path = publish(site, uri, signed(claims_of(party, sent)))
        refused = party.received(Browser(walled.url).open(referred(party, sent, uri)))
        assert refused["error"] == "invalid_request_uri"
        assert site.times(path) == 0
