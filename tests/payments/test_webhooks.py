"""Webhooks over HTTP: signed, told once more until they are taken, ended by 410, never sent inside, keys that change without a gap."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from resource_server.platform.signatures import SigningKey
from tests.payments.paying import Till, accepted, ask, euros, eventually, over, paid
from tests.resource_server.apis import Apis, Caller, problem, serve
from tests.support.ports import free_port

ENDPOINTS = "/v2/webhook-endpoints"


class Hooks:
    """A receiver: what arrived, and which statuses it answers with, one after the other; then 204."""

    def __init__(self) -> None:
        arrived = self.arrived = list[tuple[dict[str, str], bytes]]()
        statuses = self.statuses = list[int]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(statuses.pop(0) if statuses else 204)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"

    def of(self, payment: dict[str, Any]) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """What arrived of one payment: headers and document."""
        found = [(headers, json.loads(body)) for headers, body in list(self.arrived)]
        return [(headers, event) for headers, event in found if event["data"]["id"] == payment["id"]]

    def told(self, payment: dict[str, Any], count: int) -> list[tuple[dict[str, str], dict[str, Any]]]:
        return eventually(lambda: self.of(payment), lambda seen: len(seen) >= count)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    made = Hooks()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def machine(apis: Apis) -> Caller:
    """A service that pays for itself and has endpoints of its own."""
    return apis.machine()


def endpoint(caller: Caller, hooks: Hooks, **more: Any) -> dict[str, Any]:
    response = ask(caller, ENDPOINTS, {"url": hooks.url, **more})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def removed(caller: Caller, made: dict[str, Any]) -> None:
    path = f"{ENDPOINTS}/{made['id']}"
    tag = caller.get(path).headers["ETag"]
    assert caller.request("DELETE", path, headers={"If-Match": tag}).status_code == 204


def signatures(headers: dict[str, str]) -> set[str]:
    return set(headers["webhook-signature"].split(" "))


def test_each_step_is_told_signed_by_the_shown_secret(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks)
    payment = paid(machine)
    arrived = hooks.told(payment, 3)
    assert {event["type"] for _, event in arrived} == {"payment.created", "payment.processing", "payment.succeeded"}
    for headers, body in list(hooks.arrived):
        stamp = int(headers["webhook-timestamp"])
        assert abs(stamp - time.time()) < 60
        mac = SigningKey("v1", made["secret"]).sign(headers["webhook-id"], stamp, body)
        assert signatures(headers) == {mac}
    assert set(arrived[0][1]) == {"type", "timestamp", "data"}
    assert set(arrived[0][1]["data"]) == {"id", "status", "version", "order"}
    assert "secret" not in machine.get(f"{ENDPOINTS}/{made['id']}").json()
    removed(machine, made)


def test_an_ed25519_key_signs_what_its_public_half_verifies(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks, scheme="v1a", events=["payment.succeeded"])
    assert made["secret"].startswith("whpk_")
    payment = paid(machine)
    ((headers, _),) = hooks.told(payment, 1)
    body = next(body for sent, body in hooks.arrived if sent is not None and sent == headers)
    scheme, _, signature = headers["webhook-signature"].partition(",")
    assert scheme == "v1a"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(made["secret"].removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    public.verify(base64.b64decode(signature), content)
    removed(machine, made)


def test_while_keys_change_both_sign(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks, events=["payment.succeeded"])
    rotated = ask(machine, f"{ENDPOINTS}/{made['id']}/secrets", {"scheme": "v1"})
    assert rotated.status_code == 201
    payment = paid(machine)
    hooks.told(payment, 1)
    headers, body = hooks.arrived[-1]
    keys = [SigningKey("v1", text) for text in (rotated.json()["secret"], made["secret"])]
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"].split(" ") == [key.sign(headers["webhook-id"], stamp, body) for key in keys]
    removed(machine, made)


def test_what_is_not_taken_is_sent_again_as_the_same_message(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks, events=["payment.succeeded"])
    hooks.statuses.extend([500, 302])
    payment = paid(machine)
    arrived = hooks.told(payment, 3)
    assert len({headers["webhook-id"] for headers, _ in arrived}) == 1
    removed(machine, made)


def test_an_endpoint_that_is_gone_is_told_nothing_more(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks, events=["payment.succeeded"])
    hooks.statuses.append(410)
    paid(machine)
    path = f"{ENDPOINTS}/{made['id']}"
    seen = eventually(lambda: machine.get(path).json(), lambda seen: seen["state"] == "disabled")
    assert seen["reason"] == "gone"
    count = len(hooks.arrived)
    other = Hooks()
    thread = threading.Thread(target=other.server.serve_forever, daemon=True)
    thread.start()
    witness = endpoint(machine, other, events=["payment.succeeded"])
    payment = paid(machine)
    other.told(payment, 1)
    assert len(hooks.arrived) == count
    other.server.shutdown()
    removed(machine, witness)
    removed(machine, made)


def test_an_event_that_was_given_up_is_sent_anew_when_asked(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks, events=["payment.succeeded"])
    hooks.statuses.extend([500] * 4)
    payment = paid(machine)
    first = hooks.told(payment, 4)
    event = first[0][0]["webhook-id"]
    path = f"/v2/events/{event}/redeliveries"
    sent = eventually(lambda: ask(machine, path, {}).json()["endpoints"], bool)
    assert made["id"] in sent
    again = hooks.told(payment, 5)
    assert again[4][0]["webhook-id"] == event
    listed = machine.get("/v2/events?limit=100").json()["items"]
    assert {"type": "payment.succeeded", "id": event} in [{"type": one["type"], "id": one["id"]} for one in listed]
    removed(machine, made)


def test_a_service_sees_its_own_an_admin_the_admins_and_nobody_else_any(
    till: Till, apis: Apis, machine: Caller, hooks: Hooks
) -> None:
    mine, theirs = endpoint(machine, hooks), endpoint(till.admin(), hooks, events=["payment.failed"])
    problem(till.admin().get(f"{ENDPOINTS}/{mine['id']}"), 404, "not_found")
    problem(machine.get(f"{ENDPOINTS}/{theirs['id']}"), 404, "not_found")
    for nobody in (till.customer(), till.support(), till.finance()):
        problem(nobody.get(ENDPOINTS), 403, "access_denied")
        problem(ask(nobody, ENDPOINTS, {"url": hooks.url}), 403, "access_denied")
    assert [one["id"] for one in till.admin().get(ENDPOINTS).json()["items"]] == [theirs["id"]]
    assert mine["id"] in {one["id"] for one in machine.get(ENDPOINTS).json()["items"]}
    over(till.customer(), accepted(till.customer(), "/v2/payments", {"amount": euros(6601)}))
    eventually(lambda: [body for _, body in hooks.arrived if b"payment.failed" in body], bool)
    removed(machine, mine)
    removed(till.admin(), theirs)


def test_an_endpoint_is_changed_by_who_saw_it_as_it_is(machine: Caller, hooks: Hooks) -> None:
    made = endpoint(machine, hooks)
    path = f"{ENDPOINTS}/{made['id']}"
    patch = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"events": ["payment.failed"], "state": "disabled"})
    problem(machine.request("PATCH", path, data=body, headers=patch), 428, "precondition_required")
    stale = {**patch, "If-Match": '"other.1"'}
    problem(machine.request("PATCH", path, data=body, headers=stale), 412, "precondition_failed")
    good = {**patch, "If-Match": machine.get(path).headers["ETag"]}
    changed = machine.request("PATCH", path, data=body, headers=good)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["events"], changed.json()["state"]) == (["payment.failed"], "disabled")
    for wrong in ({"events": []}, {"events": ["payment.lost"]}, {"url": None}, {"secret": "x"}, {"state": "gone"}):
        tagged = {**patch, "If-Match": machine.get(path).headers["ETag"]}
        problem(machine.request("PATCH", path, data=json.dumps(wrong), headers=tagged), 422, "invalid")
    removed(machine, made)


def test_events_are_not_sent_inside(apis: Apis, machine: Caller) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(apis.idp, apis.idp.folder, url, RS_AUDIENCE=apis.url, RS_OUTBOUND_ALLOW="")
    try:
        strict = Caller(url, machine.token)
        for inside in (
            "http://127.0.0.1:9/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/",
            "http://example.com/",
            "https://user:secret@example.com/",
        ):
            refused = ask(strict, ENDPOINTS, {"url": inside})
            assert refused.status_code == 422, inside
        assert strict.get(ENDPOINTS).json()["items"] == []
    finally:
        process.stop()
