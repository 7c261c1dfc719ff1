"""The users API answers from a copy that events of the identity provider keep."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.resource_server.apis import Apis, Caller, problem, serve, signed_anew
from tests.support.ports import free_port

ARRIVAL = 20


def until(caller: Caller, arrived: Callable[[requests.Response], bool]) -> requests.Response:
    """The first answer that shows what must arrive."""
    deadline = time.monotonic() + ARRIVAL
    while not arrived(response := caller.get("/v1/users/me")):
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    return response


def shown(**values: Any) -> Callable[[requests.Response], bool]:
    return lambda response: response.status_code == 200 and values.items() <= response.json().items()


def test_a_person_who_was_just_created_finds_their_record(apis: Apis) -> None:
    options = ("--role", "buyer", "--email-verified", "--claim", "given_name=Ada", "--claim", "family_name=L")
    name = apis.new_person(*options)
    document = until(apis.caller(name), shown(username=name)).json()
    assert document["id"] == apis.subjects[name]
    assert (document["email"], document["email_verified"]) == (f"{name}@example.com", True)
    assert (document["given_name"], document["family_name"], document["roles"]) == ("Ada", "L", ["buyer"])
    assert {"created_at", "version", "name"} <= set(document)


def test_an_update_arrives_and_raises_the_version(apis: Apis) -> None:
    name = apis.new_person()
    caller = apis.caller(name)
    before = until(caller, shown(username=name)).json()
    apis.idp.cli("user", "update", name, "--claim", "given_name=Grace")
    after = until(caller, shown(given_name="Grace")).json()
    assert after["version"] > before["version"]
    assert after["email"] == before["email"]


def test_updates_in_a_row_end_with_the_last_one(apis: Apis) -> None:
    name = apis.new_person()
    caller = apis.caller(name)
    for number in range(5):
        apis.idp.cli("user", "update", name, "--claim", f"given_name=Number {number}")
    until(caller, shown(given_name="Number 4"))


def unrevoked(apis: Apis, name: str) -> Caller:
    """The person with a token that stands in no status list, so that it outlives them."""
    return Caller(apis.url, signed_anew(apis.idp, apis.caller(name).token, status=None))


def test_disabling_and_enabling_arrive(apis: Apis) -> None:
    name = apis.new_person()
    caller = unrevoked(apis, name)
    version = until(caller, shown(username=name)).json()["version"]
    for command in ("disable", "enable"):
        apis.idp.cli("user", command, name)
        known = version
        version = until(caller, lambda response, known=known: response.json()["version"] > known).json()["version"]


def test_a_deleted_person_has_no_record_any_more(apis: Apis) -> None:
    name = apis.new_person()
    caller = unrevoked(apis, name)
    until(caller, shown(username=name))
    apis.idp.cli("user", "delete", name)
    response = until(caller, lambda response: response.status_code == 404)
    assert name not in response.text
    problem(response, 404, "not_found")


def test_a_service_is_no_person(machine: Caller) -> None:
    problem(machine.get("/v1/users/me"), 404, "not_found")


def test_the_scope_is_needed(apis: Apis) -> None:
    response = apis.person("orders:read").get("/v1/users/me")
    problem(response, 403, "insufficient_scope")
    assert 'scope="users:read"' in response.headers["WWW-Authenticate"]


def test_a_snapshot_fills_a_receiver_that_is_registered_later(apis: Apis, tmp_path: Path) -> None:
    name = apis.new_person("--claim", "given_name=Early")
    caller = apis.caller(name)
    until(caller, shown(given_name="Early"))
    url = f"http://127.0.0.1:{free_port()}"
    receiver = apis.idp.cli("receiver", "create", f"{url}/events", "--events", "user.*", "--audience", url)
    later = {"RS_AUDIENCE": apis.url, "RS_EVENTS_AUDIENCE": url, "RS_EVENTS_TOKEN": receiver["token"]}
    process = serve(apis.idp, tmp_path, url, **later)
    try:
        there = Caller(url, caller.token)
        assert until(there, shown(given_name="Early")).json() == caller.get("/v1/users/me").json()
        apis.idp.cli("user", "update", name, "--claim", "given_name=Late")
        until(there, shown(given_name="Late"))
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("application/json", b"{}", "invalid_request"),
        ("application/secevent+jwt", b"", "authentication_failed"),
        ("application/secevent+jwt", b"\xff\x00", "authentication_failed"),
        ("application/secevent+jwt", b"e30.e30.e30", "authentication_failed"),
    ],
)
def test_an_event_that_the_issuer_did_not_sign_is_refused(apis: Apis, kind: str, body: bytes, error: str) -> None:
    response = requests.post(f"{apis.url}/events", data=body, headers={"Content-Type": kind}, timeout=30)
    assert (response.status_code, response.json()["err"]) == (400, error)


def test_an_access_token_is_no_event(apis: Apis, somebody: Caller) -> None:
    headers = {"Content-Type": "application/secevent+jwt"}
    response = requests.post(f"{apis.url}/events", data=somebody.token, headers=headers, timeout=30)
    assert (response.status_code, response.json()["err"]) == (400, "authentication_failed")
