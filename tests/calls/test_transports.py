"""A running service asked over REST, gRPC and a queue: one contract, the same guard and the same rules; gRPC's TLS, deadlines, health, reflection."""

from __future__ import annotations

import json
import secrets
import socket
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc
from pydantic import BaseModel

from resource_server.api.acknowledged import OperationShown
from resource_server.calls.lines import open_line
from resource_server.calls.messages import OwnWords, queue_of
from resource_server.calls.opening import TRANSPORTS, service_key
from resource_server.calls.rpc import METHODS
from resource_server.calls.shapes import FILE, parsed, shapes, to_message
from resource_server.calls.transport import Call, Envelope
from resource_server.edges.faces import Unreachable
from resource_server.payments import documents as payments
from resource_server.platform.secret import Secret
from resource_server.settings import SettingsError, load
from resource_server.users import documents as users
from resource_server.users.face import RecipientShown
from tests.calls.both import PAYMENT, SCHEMES, SECRET, Both, create
from tests.senders.authority import LOCALHOST, certify


def test_the_messages_are_those_a_compiler_makes_of_the_file(tmp_path: Path) -> None:
    out = tmp_path / "set"
    status = protoc.main(["protoc", f"-I{FILE.parent}", f"--descriptor_set_out={out}", str(FILE)])
    assert status == 0
    (compiled,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    assert parsed(FILE.read_text("utf-8")) == compiled


def test_every_method_stands_for_an_action() -> None:
    assert set(METHODS.values()) == set(shapes().methods)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Payment", payments.PaymentShown),
        ("PaymentPage", payments.PaymentPage),
        ("Operation", OperationShown),
        ("NewPayment", payments.NewPayment),
        ("User", users.UserShown),
        ("UserPage", users.UserPage),
        ("Recipient", RecipientShown),
    ],
)
def test_a_message_has_the_fields_of_what_the_api_shows(message: str, shown: type[BaseModel]) -> None:
    described = shapes().pool.FindMessageTypeByName(f"shop.v2.{message}")
    assert {field.name for field in described.fields} == set(shown.model_fields)


def test_a_person_is_found_alike_over_all(both: Both) -> None:
    name = both.apis.new_person("--claim", "given_name=Ada", "--role", "reader")
    caller, call = both.apis.caller(name), Call("users.find", {"id": both.apis.subjects[name]})
    deadline = time.monotonic() + 30
    while both.carry("http", caller.token, call).status == 404:
        assert time.monotonic() < deadline, "the person never reached the service"
        time.sleep(0.1)
    found = [both.carry(scheme, caller.token, call).document for scheme in SCHEMES]
    assert found[0] == found[1] == found[2]
    assert (found[0]["given_name"], found[0]["roles"]) == ("Ada", ["reader"])
    other = Call("users.find", {"id": both.apis.subjects[both.apis.new_person()]})
    assert [both.carry(scheme, caller.token, other).status for scheme in SCHEMES] == [404] * 3
    several = Call("users.list", {"ids": f"{both.apis.subjects[name]},nobody", "limit": 100})
    assert [both.carry(scheme, caller.token, several).status for scheme in SCHEMES] == [403] * 3
    support = both.apis.caller(both.apis.new_person("--role", "support")).token
    pages = [both.carry(scheme, support, several).document for scheme in SCHEMES]
    assert [page["items"] for page in pages] == [[found[0]]] * 3


def test_a_recipient_is_shown_to_services_with_a_scope_of_their_own(both: Both) -> None:
    name = both.apis.new_person("--role", "admin")
    call = Call("users.recipient", {"id": both.apis.subjects[name]})
    for token in (both.apis.caller(name).token, both.apis.machine().token):
        assert [both.carry(scheme, token, call).status for scheme in SCHEMES] == [403] * 3


def test_a_payment_is_made_and_found_alike_over_both(both: Both) -> None:
    token = both.apis.person().token
    found: list[dict[str, Any]] = []
    for scheme in SCHEMES:
        call = create(method="pm_card", capture="manual")
        made = both.carry(scheme, token, call)
        assert made.status == 202
        assert both.carry(scheme, token, call).document["id"] == made.document["id"], "the same key, once"
        payment = made.document["resource"].rpartition("/")[2]
        shown = both.carry(scheme, token, Call("payments.find", {"id": payment}))
        assert (shown.status, shown.document["id"], shown.document["capture"]) == (200, payment, "manual")
        assert shown.document["amount"] == PAYMENT["amount"]
        found.append(dict(shown.document))
    assert set(found[0]) == set(found[1]) == set(found[2])
    kinds = [{name: type(value) for name, value in one.items()} for one in found]
    assert kinds[0] == kinds[1] == kinds[2]


def test_what_one_transport_made_the_other_knows(both: Both) -> None:
    """The same key arrives over one, then over the other: it is the same work."""
    token, call = both.apis.person().token, create()
    assert len({both.carry(scheme, token, call).document["id"] for scheme in SCHEMES}) == 1
    listed = [both.carry(scheme, token, Call("payments.list", {"limit": 10})) for scheme in SCHEMES]
    ids = [[item["id"] for item in reply.document["items"]] for reply in listed]
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0]) == 1


REFUSED = {
    "no such payment": (Call("payments.find", {"id": "pay_none"}), 404),
    "no money": (Call("payments.create", {"amount": {"value": 0, "currency": "EUR"}}, "a-key-of-ours"), 422),
    "no currency": (Call("payments.create", {"amount": {"value": 1, "currency": "XXX"}}, "a-key-of-ours"), 422),
    "no key": (Call("payments.create", PAYMENT), 400),
    "no such page": (Call("payments.list", {"page_token": "nonsense"}), 400),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_is_the_same_problem_over_both(both: Both, what: str) -> None:
    call, status = REFUSED[what]
    token = both.apis.person().token
    replies = [both.carry(scheme, token, call) for scheme in SCHEMES]
    assert [reply.status for reply in replies] == [status] * 3
    assert len({(reply.document["code"], reply.document["detail"]) for reply in replies}) == 1


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_who_brings_no_good_token_is_unauthenticated(both: Both, token: str) -> None:
    sent = [("authorization", f"Bearer {token}")] if token else []
    with both.channel() as channel:
        for path in ("/shop.v2.Payments/Get", "/shop.v2.Payments/Create"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(b"", metadata=sent, timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert any(name == "www-authenticate" for name, _value in refused.value.trailing_metadata())


def test_a_scope_that_is_missing_and_another_ones_payment_are_refused_alike(both: Both) -> None:
    owner, reader = both.apis.person().token, both.apis.person(scope="openid payments:read").token
    assert [both.carry(scheme, reader, create()).status for scheme in SCHEMES] == [403] * 3
    made = both.carry("grpcs", owner, create()).document["resource"].rpartition("/")[2]
    foreign = Call("payments.find", {"id": made})
    assert [both.carry(scheme, reader, foreign).status for scheme in SCHEMES] == [404] * 3


def test_a_service_says_for_whom_it_acts_and_is_believed_over_all(both: Both) -> None:
    """A context of the orders service: exactly this payment, for this person; another sum or another audience is refused."""
    name = both.apis.new_person()
    settings = load({"RS_SECRET": SECRET, "RS_AUDIENCE": both.apis.url})
    key, (_all, audience) = service_key(settings, Secret(SECRET), "orders"), settings.audiences("payments")
    for scheme in SCHEMES:
        detail = {
            "type": "payment_initiation",
            "actions": ["create"],
            "locations": [audience],
            "instructed_amount": PAYMENT["amount"],
            "authorization_id": secrets.token_hex(8),
        }
        owner = both.apis.subjects[name]
        context = key.context(audience, "payments:write", subject=owner, details=[detail])
        assert both.carry(scheme, context, create(amount={"value": 9999, "currency": "EUR"})).status == 403
        made = both.carry(scheme, context, create())
        assert made.status == 202, made
        payment = Call("payments.find", {"id": made.document["resource"].rpartition("/")[2]})
        assert both.carry(scheme, key.context(audience, "payments:read", subject=owner), payment).status == 200
        assert both.carry(scheme, key.context(both.apis.url, "payments:read", subject=owner), payment).status == 401


def test_no_token_of_a_person_is_put_into_a_queue(both: Both) -> None:
    with pytest.raises(ValueError, match="must not be queued"):
        OwnWords(both.transport("queue")).carry(create(), Envelope(both.apis.person().token, 5))


@pytest.mark.parametrize("credential", ["", "nonsense", "a.b.c"])
def test_a_message_without_a_good_word_is_refused(both: Both, credential: str) -> None:
    assert both.carry("queue", credential, create()).status in {400, 401}


@pytest.mark.parametrize(
    "question", [b"", b"[]", b"{}", b'{"action": 1, "headers": [], "arguments": {}, "seconds": 1}']
)
def test_what_is_no_question_is_answered_so(both: Both, question: bytes) -> None:
    answer = json.loads(open_line(both.broker).ask(queue_of("payments"), question, 30))
    assert answer["status"] in {400, 404}


def test_a_question_nobody_waits_for_any_more_is_not_answered(both: Both) -> None:
    """What a broker kept while a service was away is not done behind its caller's back."""
    broker = redis.Redis.from_url(both.broker)
    broker.lpush(queue_of("payments"), b"\n".join((b"late-answer", b"1.0", b"{}")))
    assert both.carry("queue", both.apis.person().token, Call("payments.list", {})).status == 200, "the next one is"
    assert not broker.exists("late-answer")


def test_a_deadline_is_kept(both: Both) -> None:
    """Of somebody who takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"grpcs://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="DEADLINE_EXCEEDED"):
            TRANSPORTS["grpcs"](there, both.ca).carry(create(), Envelope("a token that must not travel", 0.2))


def test_the_trace_of_the_caller_goes_on(both: Both) -> None:
    trace = secrets.token_hex(16)
    reply = both.carry(
        "grpcs", both.apis.person().token, Call("payments.find", {"id": "x"}), trace=f"00-{trace}-{'1' * 16}-01"
    )
    assert reply.document["trace_id"] == trace


def test_what_is_not_proved_by_our_authority_is_not_talked_to(both: Both, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(certify("CN=127.0.0.1", authority=True, alternatives=LOCALHOST).pem)
    call, token = Call("payments.find", {"id": "x"}), "a token that must not travel"
    for url, ca in ((both.rpc, other), (both.rpc.replace("grpcs", "grpc"), None)):
        with pytest.raises(Unreachable):
            TRANSPORTS["grpcs"](url, ca).carry(call, Envelope(token, 5))


def test_health_and_reflection_are_open_to_everybody(both: Both) -> None:
    with both.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", *shapes().services):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        seen = ProtoReflectionDescriptorDatabase(channel)
        assert set(shapes().services) <= set(seen.get_services())
        described = seen.FindFileContainingSymbol("shop.v2.Payments")
        assert {method.name for service in described.service for method in service.method} >= {"Create", "Get", "List"}


def test_metadata_that_is_no_header_of_a_call_stays_outside(both: Both) -> None:
    """Nobody talks to the REST operation behind a method in headers of their choice."""
    token = both.apis.person().token
    sent = [("authorization", f"Bearer {token}"), ("prefer", "wait=20"), ("x-forwarded-for", "203.0.113.9")]
    message = to_message(PAYMENT, shapes().methods["/shop.v2.Payments/Create"].asked)
    with both.channel() as channel:
        ask = channel.unary_unary("/shop.v2.Payments/Create")
        _answer, told = ask.with_call(
            message.SerializeToString(), metadata=[*sent, ("idempotency-key", "k")], timeout=30
        )
    assert ("http-status", "202") in [(name, value) for name, value in told.trailing_metadata()], "nobody waited"


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"RS_GRPC_PORT": "9000", "RS_HOST": "0.0.0.0"}, "gRPC beyond loopback needs TLS"),
        ({"RS_GRPC_CERT_FILE": "/x"}, "give it and RS_GRPC_CERT_FILE"),
        ({"RS_PAYMENTS_URL": "grpc://payments.example.com:9000"}, "RS_PAYMENTS_URL"),
        ({"RS_PAYMENTS_URL": "smtp://payments.example.com"}, "RS_PAYMENTS_URL"),
        ({"RS_PAYMENTS_URL": "queue://elsewhere"}, "RS_PAYMENTS_URL"),
        ({"RS_USERS_URL": "queue://users"}, "RS_USERS_URL: people's tokens are not queued"),
        ({"RS_USERS_URL": "http://users.example.com"}, "RS_USERS_URL"),
        ({"RS_PAYMENTS_URL": "queue://payments"}, "RS_MESSAGES_URL: name the broker"),
        ({"RS_MESSAGES_URL": "https://broker"}, "RS_MESSAGES_URL: must be redis"),
    ],
)
def test_tokens_do_not_travel_in_clear(
    environ: dict[str, str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=fault):
        load(environ)
    assert load({"RS_PAYMENTS_URL": "grpcs://payments.example.com:9000", "RS_ORDERS_URL": "grpc://127.0.0.1:1"})
