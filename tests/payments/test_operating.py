"""How payments are doing, for those who look after them: figures, the books, and nothing for anybody else."""

from __future__ import annotations

import threading
from itertools import cycle

import pytest
import sqlalchemy as sa

from resource_server.payments import ledger
from resource_server.payments.ledger import Account
from resource_server.payments.models import InboxRow, JobRow, OperationRow
from resource_server.payments.operating import Watch
from resource_server.platform.store import Store
from resource_server.work.jobs import Jobs
from resource_server.work.operations import Operations
from tests.payments.paying import Till, accepted, ask, euros, eventually, over
from tests.resource_server.apis import ALL, Apis, Caller, problem

PATHS = ("/v2/condition", "/v2/dead-letters")
GIVEN_UP_AND_BACK = (("dead", "awaiting_approval", 1), ("waiting", "running", -1))


def balance(caller: Caller, account: str) -> int:
    """What an account holds of euros."""
    ledger = caller.get("/v2/condition").json()["ledger"]
    assert ledger["balanced"]
    return sum(one["value"] for one in ledger["accounts"] if (one["account"], one["currency"]) == (account, "EUR"))


def test_the_books_follow_a_payment_and_its_refund(till: Till) -> None:
    finance, customer = till.finance(), till.customer()
    cash, refunds = balance(finance, "cash"), balance(finance, "refunds")
    payment = over(customer, accepted(customer, "/v2/payments", {"amount": euros(1234)}))["resource"]
    assert balance(finance, "cash") == cash + 1234
    over(finance, accepted(finance, f"{payment}/refunds", {"amount": euros(234)}))
    assert (balance(finance, "cash"), balance(finance, "refunds")) == (cash + 1000, refunds + 234)
    assert balance(finance, "receivable") == -(cash + 1000 + refunds + 234)


def test_what_runs_and_what_waits_for_a_second_person_is_counted(till: Till) -> None:
    finance, customer = till.finance(), till.customer()
    before = finance.get("/v2/condition").json()["operations"]
    payment = over(customer, accepted(customer, "/v2/payments", {"amount": euros(90_000)}))["resource"]
    accepted(finance, f"{payment}/refunds")
    after = finance.get("/v2/condition").json()
    assert after["operations"]["awaiting_approval"] == before["awaiting_approval"] + 1
    assert after["operations"]["stuck"] == 0
    assert after["queue"]["dead"] == 0
    eventually(lambda: finance.get("/v2/condition").json()["queue"]["oldest_seconds"], lambda seconds: seconds < 5)


def test_all_that_is_shown_is_as_of_one_moment(store: Store) -> None:
    jobs, follow = Jobs(store, JobRow, InboxRow), Operations(store, OperationRow, prefix="op")
    with store.change() as tx:
        for number in range(3):
            jobs.enqueue(tx, "payment.charge", {"payment": f"pay_{number}"})
            follow.begin(tx, follow.new_id(), kind="payment.create", resource="/", owner="somebody", client_id="app")
    over = threading.Event()

    def changing() -> None:
        """All jobs are given up, all operations wait for somebody and a cent comes in; then all of it goes back."""
        for version, (job, operation, value) in enumerate(cycle(GIVEN_UP_AND_BACK)):
            if over.is_set():
                return
            with store.change() as tx:
                tx.execute(sa.update(JobRow).values(state=job))
                tx.execute(sa.update(OperationRow).values(state=operation))
                changes = {Account.CASH: value, Account.RECEIVABLE: -value}
                ledger.post(tx, payment_id="pay_0", version=version, currency="EUR", changes=changes, at=0.0)

    writer = threading.Thread(target=changing)
    writer.start()
    try:
        for _ in range(200):
            seen = Watch(store, jobs).condition()
            dead = seen.queue.dead
            assert (dead, len(seen.dead_letters)) in {(0, 0), (3, 3)}
            assert (seen.queue.waiting, seen.operations.running, seen.operations.awaiting_approval) == (
                3 - dead,
                3 - dead,
                dead,
            )
            assert {one.value for one in seen.ledger.accounts if one.account == "cash"} <= {dead // 3}
    finally:
        over.set()
        writer.join()


@pytest.mark.parametrize("path", PATHS)
def test_customers_support_and_services_see_none_of_it(apis: Apis, till: Till, path: str) -> None:
    for caller in (till.customer(), till.support(), apis.machine()):
        problem(caller.get(path), 403, "access_denied")
    assert till.admin().get(path).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_role_alone_is_not_enough(apis: Apis, path: str) -> None:
    finance = apis.caller(apis.new_person("--role", "finance"), ALL.replace(" payments:operate", ""))
    problem(finance.get(path), 403, "insufficient_scope")


def test_no_dead_letter_no_replay(till: Till) -> None:
    assert till.finance().get("/v2/dead-letters").json() == {"items": []}
    problem(ask(till.finance(), "/v2/dead-letters/msg_none/replays"), 404, "not_found")
    problem(ask(till.finance(), "/v2/dead-letters/msg_none/replays", {"force": True}), 422, "invalid")
    problem(ask(till.customer(), "/v2/dead-letters/msg_none/replays"), 403, "access_denied")
