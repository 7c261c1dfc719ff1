"""How payments are doing, for those who look after them: figures, the books, and nothing for anybody else."""

from __future__ import annotations

import pytest

from tests.payments.paying import Till, accepted, ask, euros, eventually, over
from tests.resource_server.apis import ALL, Apis, Caller, problem

PATHS = ("/v2/condition", "/v2/dead-letters")


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
