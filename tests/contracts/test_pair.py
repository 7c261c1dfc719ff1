"""Orders of one version beside payments of another: what they say to each other is kept as data, and today's side must go on with it.

The recorded conversation is from before either side of today. It is spoken by what an old service had, its JSON and its own `shop.proto`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2

from resource_server.calls.caller import Budget, Caller
from resource_server.calls.exchange import TokenExchange
from resource_server.calls.identity import ServiceKey
from resource_server.calls.opening import service_key
from resource_server.calls.payments import RemotePayments
from resource_server.calls.rest import Rest
from resource_server.calls.rpc import KEY, METHODS
from resource_server.calls.shapes import FILE, Shapes, parsed, shapes_of, to_document, to_message
from resource_server.calls.transport import Call, Envelope, Reply
from resource_server.edges.faces import PaymentWanted
from resource_server.platform.ids import new_id
from resource_server.platform.secret import Secret
from resource_server.settings import Settings, load
from tests.calls.answering import Answering, AnsweringRpc, Asked
from tests.contracts.generated import FROZEN
from tests.payments.paying import eventually
from tests.resource_server.apis import Apis, open_apis
from tests.support.ports import free_port

SECRET = secrets.token_urlsafe(48)
PROTO = (FROZEN / "shop.proto").read_text("utf-8")
TALK = json.loads((FROZEN / "orders-and-payments.json").read_text("utf-8"))
ASKS: Mapping[str, Mapping[str, Any]] = {one["name"]: one for one in TALK["asks"]}
TELLS: Mapping[str, Mapping[str, Any]] = {one["name"]: one for one in TALK["tells"]}
EXTRA = {"of_tomorrow": {"a": 1}}


# -- the wire ---------------------------------------------------------------------------------------------------------


def test_no_field_of_an_old_message_has_another_number_or_kind() -> None:
    before, after = parsed(PROTO), parsed(FILE.read_text("utf-8"))
    messages = {message.name: message for message in after.message_type}
    for message in before.message_type:
        fields = {field.name: field for field in messages[message.name].field}
        assert [_wire(fields.get(field.name)) for field in message.field] == [_wire(field) for field in message.field]
    methods = {(service.name, one.name): one for service in after.service for one in service.method}
    for service in before.service:
        for one in service.method:
            assert methods[service.name, one.name] == one


def _wire(field: descriptor_pb2.FieldDescriptorProto | None) -> tuple[Any, ...]:
    return () if field is None else (field.name, field.number, field.type, field.label, field.type_name)


@cache
def old_shapes() -> Shapes:
    return shapes_of(PROTO)


# -- who spoke then, to who answers now -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Now:
    """Today's services, and what an old one says to them."""

    apis: Apis
    rpc: str

    def key(self, service: str) -> ServiceKey:
        return service_key(self.settings, Secret(SECRET), service)

    @property
    def settings(self) -> Settings:
        return load({"RS_SECRET": SECRET, "RS_AUDIENCE": self.apis.url})

    def said(self, scheme: str, call: Call, credential: str) -> Reply:
        if scheme == "rest":
            return Rest(self.apis.url).carry(call, Envelope(credential, 30))
        method = old_shapes().methods[METHODS[call.action]]
        metadata = [("authorization", f"Bearer {credential}"), *([(KEY, call.key)] if call.key else [])]
        with grpc.insecure_channel(self.rpc) as channel:
            ask = channel.unary_unary(
                method.path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=method.answered.FromString,
            )
            answer, told = ask.with_call(to_message(call.arguments, method.asked), metadata=metadata, timeout=30)
        status = next(int(value) for name, value in told.trailing_metadata() if name == "http-status")
        return Reply(status, to_document(answer, absent=True))

    def asked(self, scheme: str, name: str, owner: str, **arguments: str) -> Mapping[str, Any]:
        """What today's payments answer to what old orders ask."""
        ask, audience = ASKS[name], self.settings.audiences("payments")[1]
        given = {**ask["arguments"], **{word: one for word, one in arguments.items() if word in ask["arguments"]}}
        details = [_detail(given, audience)] if ask["scope"] == "payments:write" else []
        credential = self.key("orders").context(audience, ask["scope"], subject=owner, details=details)
        call = Call(ask["action"], given, f"chk_{secrets.token_hex(8)}" if ask["keyed"] else None)
        reply = self.said(scheme, call, credential)
        assert reply.status == ask["status"], reply
        assert _kinds(reply.document, ask["reads"]) == _kinds(ask["answer"], ask["reads"])
        return reply.document


def _detail(given: Mapping[str, Any], audience: str) -> dict[str, Any]:
    common = {"type": "payment_initiation", "actions": ["create"], "locations": [audience]}
    named = {"order": given["order"], "authorization_id": secrets.token_hex(8)}
    return {**common, **named, "instructed_amount": given["amount"]}


def _kinds(document: Mapping[str, Any], names: list[str]) -> dict[str, type]:
    return {name: type(document[name]) for name in names}


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Now]:
    port = free_port()
    settings = {"RS_GRPC_PORT": str(port), "RS_SECRET": SECRET}
    with open_apis(tmp_path_factory.mktemp("pair"), None, None, settings) as apis:
        yield Now(apis, f"127.0.0.1:{port}")


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
def test_old_orders_pay_follow_and_give_back_at_new_payments(today: Now, scheme: str) -> None:
    for create in ("create", "create without what may be left out"):
        owner, order = f"person-{secrets.token_hex(4)}", new_id("ord")
        payment = today.asked(scheme, create, owner, order=order)["resource"].rpartition("/")[2]

        def status(payment: str = payment, owner: str = owner) -> str:
            return str(today.asked(scheme, "find", owner, id=payment)["status"])

        eventually(status, lambda seen: seen == "succeeded")
        (listed,) = today.asked(scheme, "list", owner, order=order)["items"]
        assert (listed["id"], listed["order"]) == (payment, order)
        today.asked(scheme, "give back", owner, id=payment)
        eventually(status, lambda seen: seen == "refunded")


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
@pytest.mark.parametrize("name", TELLS)
def test_old_payments_are_heard_by_new_orders(today: Now, scheme: str, name: str) -> None:
    event = {**TELLS[name]["arguments"]}
    audience = today.settings.audiences("orders")[1]
    credential = today.key("payments").context(audience, "orders:hear")
    assert today.said(scheme, Call("orders.payment_changed", event), credential).status == 204
    if scheme == "rest":
        more = {**event, **EXTRA, "data": {**event["data"], **EXTRA}}
        assert today.said(scheme, Call("orders.payment_changed", more), credential).status == 204


# -- who speaks now, to who answered then -----------------------------------------------------------------------------


def _answers(change: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]) -> Callable[[Asked], Any]:
    """Payments of then, which answer by the method and path that were asked."""
    by_path = {
        ("POST", "/v2/payments"): ASKS["create"],
        ("GET", "/v2/payments/pay_0"): ASKS["find"],
        ("GET", "/v2/payments?order=ord_0&limit=100"): ASKS["list"],
        ("GET", "/v2/payments?orders=ord_0%2Cord_1&limit=100"): ASKS["list"],
        ("GET", "/v2/payments?limit=100&orders=ord_0%2Cord_1"): ASKS["list"],
        ("POST", "/v2/payments/pay_0/reversals"): ASKS["give back"],
    }

    def script(asked: Asked) -> tuple[int, Any]:
        found = by_path[asked.method, asked.path]
        return found["status"], change(found["answer"], found)

    return script


def _only_read(answer: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but what orders read: whatever else payments show may be newer than they are."""
    if "items" in answer:
        return {"items": [_only_read(one, ASKS["find"]) for one in answer["items"]]}
    return {name: answer[name] for name in found["reads"] if answer[name] is not None}


CHANGES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "as it was": lambda answer, _found: dict(answer),
    "only what is read": _only_read,
    "with what nobody knows yet": lambda answer, _found: {**answer, **EXTRA},
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("answering", [Answering, AnsweringRpc])
def test_new_orders_get_along_with_old_payments(answering: type[Answering], how: str, tmp_path: Path) -> None:
    settings = load({"RS_SECRET": SECRET, "RS_DATA_DIR": str(tmp_path)})
    key, audience = service_key(settings, Secret(SECRET), "orders"), settings.audiences("payments")[1]
    wanted = PaymentWanted("chk_0", "ord_0", "somebody", "svc-orders", 849, "EUR", "pm_card")
    with answering(_answers(CHANGES[how])) as service:
        caller = Caller(service.transport(), timeout=5, deadline=15, budget=Budget())
        exchange = TokenExchange("http://127.0.0.1:9", key, timeout=1)
        payments = RemotePayments(caller, key, exchange, audience=audience)
        assert payments.create(wanted).id == "pay_0"
        found = payments.find("pay_0", owner="somebody")
        (listed,) = payments.of_orders(["ord_0"], owner="somebody")
        (among,) = payments.of_orders(["ord_0", "ord_1"], owner="somebody")
        given_back = payments.give_back("pay_0", owner="somebody", key="k")
        sent = service.asked[0].body
    assert found is not None
    assert (found.id, found.order, found.status, found.version) == ("pay_0", "ord_0", "succeeded", 3)
    assert (listed.id, listed.status) == (among.id, among.status) == ("pay_0", "succeeded")
    assert (given_back.status, given_back.version) == ("refunded", 5)
    assert sent.keys() <= ASKS["create"]["arguments"].keys(), "old payments refuse what they do not know"
