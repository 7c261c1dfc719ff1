"""For each problem of the catalogue, the request that gets it: as data, by code."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from flask import Flask

from resource_server.api.idempotency import KeptAnswers, Use, _canonical, _digest
from resource_server.orders.models import KeptAnswer
from resource_server.orders.service import open_store
from resource_server.platform.secret import Secret
from resource_server.platform.store import open_engines
from resource_server.simulator.magic import Magic
from tests.guard.proofs import HOLDER, proof
from tests.payments.paying import Till, accepted, ask, euros, over, paid
from tests.resource_server.apis import PROVIDER_SECRET, Apis, Caller, serve, signed_anew
from tests.support.flows import claims
from tests.support.ports import free_port

SHARED = "a secret of the nodes that these tests start"
ORDER = {"lines": [{"sku": "A-1", "quantity": 1, "unit_price": "2.50"}], "currency": "EUR"}
LINES = [{"sku": "A-1", "quantity": 1, "unit_price": 250}]
PATCH = "application/merge-patch+json"
Told = requests.Response | Mapping[str, Any]
"""An answer, or the error of an operation."""


class Scene:
    """People, and nodes of the same services that are set as some problems need."""

    def __init__(self, apis: Apis, folder: Path, stack: ExitStack, postgres: Callable[[], str]) -> None:
        self._postgres = postgres
        self.apis = apis
        self.till = Till(apis)
        self._folder = folder
        self._stack = stack

    @cached_property
    def somebody(self) -> Caller:
        return self.till.customer()

    @cached_property
    def ended(self) -> str:
        """A node where v1 is over, which lets one write a minute through and sends no webhooks inside."""
        return self.node(
            RS_V1_DEPRECATED="2025-01-01", RS_V1_SUNSET="2025-12-01", RS_RATE_WRITES="1", RS_OUTBOUND_ALLOW=""
        )

    @cached_property
    def keyless(self) -> str:
        """A node that has no keys of the issuer."""
        return self.node("/livez", RS_JWKS_URI=f"http://127.0.0.1:{free_port()}/jwks")

    @cached_property
    def alone(self) -> str:
        """Orders without payments beside them, which ask for nonces."""
        return self.node(RS_SERVICE="orders", RS_SECRET=SHARED, RS_DPOP_NONCE="true")

    @cached_property
    def broken(self) -> tuple[str, str]:
        """A node whose file of people is no database any more, and an order that was paid there before."""
        url = self.node(RS_DATABASE_URL=f"sqlite:///{self._folder / 'broken.sqlite3'}")
        caller = self.at(url)
        order = str(ask(caller, "/v2/orders", {"lines": LINES, "currency": "EUR"}).json()["id"])
        over(caller, accepted(caller, f"/v2/orders/{order}/checkouts"))
        for part in self._folder.glob("broken-users.sqlite3*"):
            part.write_bytes(b"not a database" * 1000)
        return url, order

    @cached_property
    def beside(self) -> tuple[str, str]:
        """Orders on a database that has room for several writers, and its URL."""
        url = self._postgres()
        return self.node(RS_SERVICE="orders", RS_DATABASE_URL=url), url

    def node(self, ready: str = "/readyz", **settings: str) -> str:
        url = f"http://127.0.0.1:{free_port()}"
        given = {"RS_AUDIENCE": self.apis.url, "RS_PROVIDER_URL": self.apis.provider, "RS_JOB_RETRY_FIRST": "0.01"}
        process = serve(self.apis.idp, self._folder, url, ready, **{**given, **settings})
        self._stack.callback(process.stop)
        return url

    def at(self, url: str, caller: Caller | None = None) -> Caller:
        return Caller(url, (caller or self.somebody).token)

    def claiming(self, **changes: Any) -> Caller:
        """Somebody by a token that says something else."""
        return Caller(self.apis.url, signed_anew(self.apis.idp, self.somebody.token, **changes))

    def order(self, value: int = 250) -> str:
        lines = [{**LINES[0], "unit_price": value}]
        return str(ask(self.somebody, "/v2/orders", {"lines": lines, "currency": "EUR"}).json()["id"])

    def checked_out(self, order: str) -> dict[str, Any]:
        return accepted(self.somebody, f"/v2/orders/{order}/checkouts")

    def payments_of(self, order: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.somebody.get(f"/v2/payments?order={order}").json()["items"]
        return found


def failed(caller: Caller, operation: dict[str, Any]) -> Told:
    """The problem that an operation ended with."""
    error: Mapping[str, Any] = over(caller, operation)["error"]
    return error


def changed(scene: Scene, document: Any, **headers: str) -> requests.Response:
    """A change of one's own record."""
    user = claims(scene.somebody.token)["sub"]
    headers = {"Content-Type": PATCH, **headers}
    return scene.somebody.request("PATCH", f"/v2/users/{user}", json=document, headers=headers)


def with_proof(scene: Scene, url: str, *proofs: str) -> requests.Response:
    token = signed_anew(scene.apis.idp, scene.somebody.token, cnf={"jkt": HOLDER.thumbprint()})
    made = proof(token, htu=f"{scene.apis.url}/v1/orders")
    headers = {"Authorization": f"DPoP {token}", "DPoP": ", ".join(proofs) or made}
    return requests.get(f"{url}/v1/orders", headers=headers, timeout=30)


def same_key_for_another(scene: Scene) -> Told:
    key = {"Idempotency-Key": "one for two"}
    scene.somebody.post("/v1/orders", ORDER, **key)
    return scene.somebody.post("/v1/orders", {**ORDER, "currency": "USD"}, **key)


def while_another_node_does_it(scene: Scene) -> Told:
    """A twin of what has begun on the database that both have, and lasts."""
    caller, operation, key = scene.at(scene.beside[0]), "POST /v1/orders", "begun elsewhere"
    token = claims(caller.token)
    store = open_store(open_engines(Flask("tests"), {"orders": scene.beside[1]}, pool_size=1)["orders"])
    scope = _digest(token["iss"], token["client_id"], token["sub"], operation, key)
    use = Use(scope, _digest(operation, "application/json", _canonical(ORDER)))
    try:
        with store.change() as tx:
            KeptAnswers(store, KeptAnswer, Secret(SHARED)).first(tx, use)
            return caller.post("/v1/orders", ORDER, **{"Idempotency-Key": key})
    finally:
        store.engine.dispose()


def sent_to_nobody(scene: Scene) -> Told:
    """To whom a paid order goes cannot be found out."""
    url, order = scene.broken
    support = scene.at(url, scene.till.support())
    return failed(support, accepted(support, f"/v2/orders/{order}/fulfilments"))


def the_one_too_many(scene: Scene) -> Told:
    caller = scene.at(scene.ended, scene.apis.person())
    ask(caller, "/v2/orders", {"lines": LINES, "currency": "EUR"})
    return ask(caller, "/v2/orders", {"lines": LINES, "currency": "EUR"})


def much_after_an_old_login(scene: Scene) -> Told:
    return ask(scene.claiming(auth_time=int(time.time()) - 4000), "/v2/payments", {"amount": euros(200_000)})


def for_another_sum(scene: Scene) -> Told:
    detail = {"type": "payment_initiation", "actions": ["create"], "locations": [scene.apis.url]}
    allowed = [{**detail, "instructed_amount": euros(1), "authorization_id": "one"}]
    return ask(scene.claiming(authorization_details=allowed), "/v2/payments", {"amount": euros(2)})


def refund(scene: Scene, value: int) -> tuple[str, dict[str, Any]]:
    """The refunds of a large payment, and one that waits for a second person."""
    path = f"/v2/payments/{paid(scene.somebody, 90_000)['id']}/refunds"
    return path, accepted(scene.till.finance(), path, {"amount": euros(value)})


def another_while_one_waits(scene: Scene) -> Told:
    path, _ = refund(scene, 60_000)
    return ask(scene.till.finance(), path, {"amount": euros(1)})


def approved_by_who_asked(scene: Scene) -> Told:
    path, operation = refund(scene, 60_000)
    return ask(scene.till.finance(), f"{path}/{operation['refund']}/approvals")


def rejected(scene: Scene) -> Told:
    path, operation = refund(scene, 60_000)
    accepted(scene.till.admin(), f"{path}/{operation['refund']}/rejections")
    return failed(scene.till.finance(), operation)


def too_much_for_support(scene: Scene) -> Told:
    path = f"/v2/payments/{paid(scene.somebody, 20_000)['id']}/refunds"
    return ask(scene.till.support(), path, {"amount": euros(5_001)})


def declined(scene: Scene) -> Told:
    return failed(scene.somebody, accepted(scene.somebody, "/v2/payments", {"amount": euros(Magic.DECLINE)}))


def called_off_before_it_was_paid(scene: Scene) -> Told:
    order = scene.order(Magic.AUTHENTICATION)
    checkout = scene.checked_out(order)
    waiting = eventually_at_the_bank(scene, order)
    accepted(scene.somebody, f"/v2/orders/{order}/cancellations")
    scene.till.authenticate(waiting, passed=True)
    return failed(scene.somebody, checkout)


def eventually_at_the_bank(scene: Scene, order: str) -> dict[str, Any]:
    """The order's payment, once its payer has to authenticate."""
    deadline = time.monotonic() + 30
    while [one["status"] for one in scene.payments_of(order)] != ["requires_authentication"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return scene.payments_of(order)[0]


def given_back_behind_our_back(scene: Scene) -> Told:
    """What the provider has given back already it gives back to nobody."""
    order = scene.order()
    over(scene.somebody, scene.checked_out(order))
    (payment,) = scene.payments_of(order)
    url = f"{scene.apis.provider}/charges/{scene.till.charged(payment)['key']}/refunds"
    headers = {"Authorization": f"Bearer {PROVIDER_SECRET}", "Idempotency-Key": order}
    assert requests.post(url, json={"amount": euros(250)}, headers=headers, timeout=30).status_code == 200
    return failed(scene.somebody, accepted(scene.somebody, f"/v2/orders/{order}/cancellations"))


def with_payments_away(scene: Scene) -> Told:
    caller = scene.at(scene.alone)
    order = ask(caller, "/v2/orders", {"lines": LINES, "currency": "EUR"}).json()["id"]
    return caller.get(f"/v2/orders/{order}?expand=payments")


def an_endpoint_inside(scene: Scene) -> Told:
    return ask(scene.at(scene.ended, scene.till.admin()), "/v2/webhook-endpoints", {"url": "https://127.0.0.1/"})


REQUESTS: Mapping[str, Callable[[Scene], Told]] = {
    "malformed": lambda scene: scene.somebody.request(
        "POST", "/v1/orders", data=b"{", headers={"Content-Type": "application/json"}
    ),
    "invalid_parameter": lambda scene: scene.somebody.get("/v1/orders?page=0"),
    "invalid_page_token": lambda scene: scene.somebody.get("/v2/orders?page_token=made-up"),
    "idempotency_key_missing": lambda scene: scene.somebody.post("/v2/payments", {"amount": euros(1)}),
    "invalid_idempotency_key": lambda scene: scene.somebody.post("/v1/orders", ORDER, **{"Idempotency-Key": "k" * 256}),
    "idempotency_key_reused": same_key_for_another,
    "request_in_progress": while_another_node_does_it,
    "not_found": lambda scene: scene.somebody.get("/v1/orders/ord_x"),
    "unknown_version": lambda scene: scene.somebody.get("/v3/orders"),
    "version_gone": lambda scene: scene.at(scene.ended).get("/v1/orders"),
    "method_not_allowed": lambda scene: scene.somebody.request("PUT", "/v1/orders"),
    "not_acceptable": lambda scene: scene.somebody.get("/v1/orders", headers={"Accept": "text/html"}),
    "request_entity_too_large": lambda scene: scene.somebody.post("/v1/orders", {"lines": "x" * 70_000}),
    "unsupported_media_type": lambda scene: scene.somebody.request("POST", "/v1/orders", data=b"lines=1"),
    "invalid": lambda scene: scene.somebody.post("/v1/orders", {**ORDER, "lines": []}),
    "precondition_required": lambda scene: changed(scene, {"newsletter": True}),
    "precondition_failed": lambda scene: changed(scene, {"newsletter": True}, **{"If-Match": '"user.0"'}),
    "too_many_requests": the_one_too_many,
    "internal": lambda scene: scene.at(scene.broken[0]).get("/v2/users/me"),
    "unavailable": with_payments_away,
    "deadline_passed": lambda scene: scene.somebody.get("/v1/orders", headers={"Request-Timeout": "0"}),
    "unauthorized": lambda scene: requests.get(f"{scene.apis.url}/v1/orders", timeout=30),
    "invalid_request": lambda scene: Caller(scene.apis.url, "two words").get("/v1/orders"),
    "invalid_token": lambda scene: Caller(scene.apis.url, "e30.e30.e30").get("/v1/orders"),
    "invalid_dpop_proof": lambda scene: with_proof(scene, scene.apis.url, "nonsense"),
    "use_dpop_nonce": lambda scene: with_proof(scene, scene.alone),
    "insufficient_scope": lambda scene: scene.apis.person("openid orders:write").get("/v1/orders"),
    "access_denied": lambda scene: scene.somebody.get("/v2/users"),
    "insufficient_authorization_details": for_another_sum,
    "insufficient_user_authentication": much_after_an_old_login,
    "temporarily_unavailable": lambda scene: scene.at(scene.keyless).get("/v1/orders"),
    "managed_elsewhere": lambda scene: changed(scene, {"email": "a@example.com"}, **{"If-Match": "*"}),
    "operation_running": another_while_one_waits,
    "payment_declined": declined,
    "order_canceled": called_off_before_it_was_paid,
    "not_fulfilled": sent_to_nobody,
    "not_given_back": given_back_behind_our_back,
    "refund_limit": too_much_for_support,
    "second_person_needed": approved_by_who_asked,
    "refund_rejected": rejected,
    "endpoint_refused": an_endpoint_inside,
    "illegal_step": lambda scene: ask(scene.somebody, f"/v2/payments/{paid(scene.somebody)['id']}/cancellations"),
}
