"""The double-entry ledger beside the payments: each step that moves money writes rows that sum to zero, in the transaction of the step."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import sqlalchemy as sa

from resource_server.payments.machine import Status
from resource_server.payments.models import LedgerEntry
from resource_server.platform.store import Store


class Account(StrEnum):
    """Where money is: owed to us, with us, or given back."""

    RECEIVABLE = "receivable"
    CASH = "cash"
    REFUNDS = "refunds"


class Unbalanced(Exception):
    """Rows that do not sum to zero are never written."""


_MOVES: Mapping[Status, tuple[Account, Account]] = {
    Status.SUCCEEDED: (Account.RECEIVABLE, Account.CASH),
    Status.PARTIALLY_REFUNDED: (Account.CASH, Account.REFUNDS),
    Status.REFUNDED: (Account.CASH, Account.REFUNDS),
}
"""From which account to which money goes when a payment gets to a status; other steps move none."""


def moves(status: Status, value: int) -> dict[Account, int]:
    """What a step to `status` over so many minor units does to each account."""
    if status not in _MOVES:
        return {}
    source, target = _MOVES[status]
    return {source: -value, target: value}


def post(
    tx: sa.Connection, *, payment_id: str, version: int, currency: str, changes: Mapping[Account, int], at: float
) -> None:
    """Write the rows of one step; raises `Unbalanced`."""
    if sum(changes.values()) != 0:
        raise Unbalanced(payment_id)
    common = {"payment_id": payment_id, "version": version, "currency": currency, "created_at": at}
    rows = [{**common, "account": account.value, "value": value} for account, value in changes.items()]
    if rows:
        tx.execute(sa.insert(LedgerEntry), rows)


def imbalance(store: Store) -> dict[str, int]:
    """The sum of all rows of each currency where it is not zero: empty, or something is badly wrong. Reads the whole ledger."""
    total = sa.func.sum(LedgerEntry.value)
    query = sa.select(LedgerEntry.currency, total).group_by(LedgerEntry.currency).having(total != 0)
    with store.read() as tx:
        return {currency: int(value) for currency, value in tx.execute(query)}


def balances(store: Store) -> dict[tuple[Account, str], int]:
    """What each account holds of each currency, in minor units. Reads the whole ledger."""
    columns = (LedgerEntry.account, LedgerEntry.currency)
    query = sa.select(*columns, sa.func.sum(LedgerEntry.value)).group_by(*columns)
    with store.read() as tx:
        return {(Account(account), currency): int(value) for account, currency, value in tx.execute(query)}
