"""How long a caller waits is how long anything is done for them: over every transport, at the database, and at those who are asked in turn."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from resource_server.calls.caller import Budget, Caller
from resource_server.calls.lines import open_line
from resource_server.calls.messages import queue_of
from resource_server.calls.transport import Call
from resource_server.edges.faces import Unreachable
from resource_server.platform import deadlines
from resource_server.platform.deadlines import Passed
from tests.calls.answering import Answering
from tests.calls.both import PAYMENT, SCHEMES, Both, create
from tests.resource_server.apis import problem

PATIENCE = 60.0
LISTED = Call("payments.list", {"limit": 10})


def asked(both: Both, method: str, path: str, timeout: str, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": secrets.token_hex(8), "Request-Timeout": timeout}
    body = {"json": PAYMENT} if method == "POST" else {}
    return requests.request(method, f"{both.apis.url}{path}", headers=headers, timeout=PATIENCE, **body)


@contextmanager
def locked(both: Both) -> Iterator[None]:
    """Somebody else writes to the payments' database meanwhile."""
    port = both.apis.url.rpartition(":")[2]
    file = both.apis.idp.folder / f"services-{port}" / "resource-server-payments.sqlite3"
    other = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@pytest.mark.parametrize("path", ["/v2/payments", "/v1/payments", "/v2/users/me", "/livez"])
def test_what_is_too_late_is_refused(both: Both, path: str) -> None:
    refused = asked(both, "GET", path, "0", both.apis.person().token)
    assert problem(refused, 503, "deadline_passed")["retryable"] is True
    assert refused.headers["Retry-After"] == "1"


@pytest.mark.parametrize("timeout", ["", "soon", "-1", "+1", "1e3", "nan", "1,5", "5 s", "1.", "9" * 30, "\u0661"])
def test_a_deadline_that_is_no_number_of_seconds_is_malformed(both: Both, timeout: str) -> None:
    token = both.apis.person().token
    problem(asked(both, "POST", "/v2/payments", timeout.encode().decode("latin-1"), token), 400, "malformed")
    assert both.carry("http", token, LISTED).document["items"] == []


@pytest.mark.parametrize("timeout", ["30", "30.5", "0030.000"])
def test_who_waits_long_enough_is_served(both: Both, timeout: str) -> None:
    assert asked(both, "POST", "/v2/payments", timeout, both.apis.person().token).status_code == 202


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_begun_for_a_caller_ends_when_they_wait_no_longer(both: Both, scheme: str) -> None:
    """Another writer holds the database for longer than the caller waits: the service lets go by itself, and nothing is made afterwards."""
    token, trace = both.apis.person().token, secrets.token_hex(16)
    with locked(both):
        with suppress(Unreachable):  # the caller's own patience may end a moment before
            assert both.carry(scheme, token, create(), 2, f"00-{trace}-{'1' * 16}-00").status == 503
        end = time.monotonic() + PATIENCE
        while not any(trace in line and "too late" in line for line in both.apis.logged().splitlines()):
            assert time.monotonic() < end, "the service works on for nobody"
            time.sleep(0.05)
    assert both.carry(scheme, token, LISTED).document["items"] == []


def test_a_method_without_a_deadline_takes_its_time(both: Both) -> None:
    sent = [("authorization", f"Bearer {both.apis.person().token}")]
    with both.channel() as channel:
        _answer, told = channel.unary_unary("/shop.v2.Payments/List").with_call(b"", metadata=sent)
    assert ("http-status", "200") in [(name, value) for name, value in told.trailing_metadata()]


def test_metadata_gives_no_deadline_beside_that_of_the_call(both: Both) -> None:
    sent = [("authorization", f"Bearer {both.apis.person().token}"), ("request-timeout", "0")]
    with both.channel() as channel:
        _answer, told = channel.unary_unary("/shop.v2.Payments/List").with_call(b"", metadata=sent, timeout=PATIENCE)
    assert ("http-status", "200") in [(name, value) for name, value in told.trailing_metadata()]


def test_time_in_a_queue_is_time_that_its_caller_waited(both: Both) -> None:
    headers = {"authorization": f"Bearer {both.apis.person().token}"}
    question = {"action": "payments.list", "arguments": {}, "headers": headers, "seconds": 30}
    line, queue = open_line(both.broker), queue_of("payments")
    late = line.ask(queue, json.dumps({**question, "until": time.time() - 1}).encode(), PATIENCE)
    assert json.loads(late)["document"]["code"] == "deadline_passed"
    for until in ({}, {"until": time.time() + 3600}):
        assert json.loads(line.ask(queue, json.dumps({**question, **until}).encode(), PATIENCE))["status"] == 200


def test_who_is_asked_in_turn_is_told_what_is_left() -> None:
    with Answering(lambda _asked: (200, {})) as service:
        caller = Caller(service.transport(), timeout=5, deadline=15, budget=Budget())
        with deadlines.within(2):
            caller.call(LISTED, lambda _fresh: "a token")
        with deadlines.within(0), pytest.raises(Passed):
            caller.call(LISTED, lambda _fresh: "a token")
        (heard,) = service.asked
    assert 0 < float(heard.headers["request-timeout"]) <= 2
