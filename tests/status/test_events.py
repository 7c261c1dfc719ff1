"""What receivers are told of revocations: which indexes of which list, in the transaction of the revocation, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import API
from tests.platform.receivers import ReceiverServer
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp
from tests.support.status import eventually, is_revoked, place_of

CHANGED = "urn:idp:event:status.changed"


@pytest.fixture
def receiver(idp: RunningIdp) -> Iterator[ReceiverServer]:
    """A service that is told of statuses."""
    with ReceiverServer() as server:
        made = idp.cli("receiver", "create", server.url, "--events", "status.*", "--audience", API)
        yield server
        idp.cli("receiver", "delete", made["id"])


def told(receiver: ReceiverServer) -> list[dict[str, Any]]:
    return [
        event["status"] for claims in receiver.claims for name, event in claims["events"].items() if name == CHANGED
    ]


def test_a_revoked_token_is_named_by_its_place(
    web_app: App, browser: Browser, person: str, receiver: ReceiverServer
) -> None:
    token = web_app.tokens(browser, person, scope="openid read")["access_token"]
    uri, index = place_of(token)
    web_app.post("/oauth/revoke", token=token)
    eventually(lambda: {"uri": uri, "idx": [index]} in told(receiver))
    assert [claims["sub_id"] for claims in receiver.claims] == [{"format": "uri", "uri": uri}]
    assert is_revoked(token), "whoever hears of it and fetches the list finds it there"


def test_everything_that_ends_at_once_is_told_at_once(
    web_app: App, browser: Browser, person: str, receiver: ReceiverServer
) -> None:
    first = web_app.tokens(browser, person, scope="openid offline_access read")
    second = web_app.refresh(first["refresh_token"]).json()
    places = [place_of(tokens["access_token"]) for tokens in (first, second)]
    web_app.post("/oauth/revoke", token=second["refresh_token"])
    eventually(lambda: sum(len(one["idx"]) for one in told(receiver)) == 2)
    assert sorted((one["uri"], index) for one in told(receiver) for index in one["idx"]) == sorted(places)


def test_a_client_with_many_indexes_is_told_without_naming_each(idp: RunningIdp, receiver: ReceiverServer) -> None:
    app = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))
    token = app.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    idp.cli("client", "disable", app.client_id)
    eventually(lambda: told(receiver) == [{"uri": place_of(token)[0]}])


def test_what_was_revoked_already_is_not_told_again(
    web_app: App, browser: Browser, person: str, receiver: ReceiverServer
) -> None:
    tokens = web_app.tokens(browser, person, scope="openid offline_access read")
    for _ in range(3):
        web_app.post("/oauth/revoke", token=tokens["access_token"])
    for _ in range(3):
        web_app.post("/oauth/revoke", token=tokens["refresh_token"])
    last = web_app.tokens(browser, person, scope="openid read")["access_token"]
    web_app.post("/oauth/revoke", token=last)
    eventually(lambda: place_of(last)[1] in told(receiver)[-1]["idx"] if told(receiver) else False)
    assert [one["idx"] for one in told(receiver)] == [[place_of(tokens["access_token"])[1]], [place_of(last)[1]]]
