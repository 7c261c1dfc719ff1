"""Two who ask for the payment of one checkout at once, each by a token of their own: one makes it, and the other hears that it is being made."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from flask import Flask

from resource_server.api.money import Money
from resource_server.payments.book import Book
from resource_server.payments.desk import Desk, Wanted
from resource_server.payments.models import InboxRow, JobRow, OperationRow
from resource_server.payments.service import open_store
from resource_server.platform.store import open_engines
from resource_server.work.jobs import Jobs
from resource_server.work.operations import Operations
from tests.orders.apart import Apart
from tests.orders.test_apart import key_of
from tests.payments.paying import euros
from tests.resource_server.apis import Caller, problem
from tests.support.databases import until_somebody_waits


@pytest.mark.parametrize("apis", ["apart-postgresql"], indirect=True)  # where there is more than one writer
def test_a_checkout_that_is_being_paid_is_not_paid_by_another_token_too(apis: Apart) -> None:
    checkout, audience = f"chk_{secrets.token_hex(8)}", f"{apis.url}/payments"
    said = {
        "type": "payment_initiation",
        "actions": ["create"],
        "locations": [audience],
        "instructed_amount": euros(500),
    }
    details = [{**said, "authorization_id": checkout}]
    token = key_of(apis, "orders").context(audience, "payments:write", subject="somebody", details=details)

    def pay() -> requests.Response:
        return Caller(apis.url, token).post("/v2/payments", {"amount": euros(500)}, **{"Idempotency-Key": checkout})

    engines = open_engines(Flask("tests"), {"payments": apis.settings["RS_DATABASE_URL"]}, pool_size=2)
    store = open_store(engines["payments"])
    jobs = Jobs(store, JobRow, InboxRow, lease=30)
    desk = Desk(Book(lambda _tx, _payment: None), jobs, Operations(store, OperationRow, prefix="op"))
    wanted = Wanted(Money(500, "EUR"), owner="somebody", client_id="svc-orders", checkout=checkout)
    with ThreadPoolExecutor(1) as pool:
        with store.change() as tx:
            payment = desk.create(tx, wanted)
            twin = pool.submit(pay)
            until_somebody_waits(store.engine)
        told = twin.result()
    assert told.headers["Retry-After"] == "1"
    assert problem(told, 409, "request_in_progress")["retryable"] is True
    again = pay()
    assert (again.status_code, again.json()["resource"]) == (202, f"/v2/payments/{payment.id}")
    store.engine.dispose()
