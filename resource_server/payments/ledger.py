"""The double-entry ledger beside the payments: each step that moves money writes rows that sum to zero, in the transaction of the step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from zlib import crc32

import sqlalchemy as sa

from resource_server.payments.machine import Status
from resource_server.payments.models import LedgerEntry, LedgerSum
from resource_server.platform.store import Row, Store, insert_or_add

PARTS = 16
"""In how many rows a sum is kept."""


class Account(StrEnum):
    """Where money is: owed to us, with us, or given back."""

    RECEIVABLE = "receivable"
    CASH = "cash"
    REFUNDS = "refunds"


Held = Mapping[tuple[Account, str], int]
"""By account and currency, in minor units."""


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
        _sum_up(tx, crc32(payment_id.encode()) % PARTS, currency, changes)


def held(store: Store, within: sa.Connection | None = None) -> Held:
    """What each account holds of each currency, in minor units: as many rows are read whether a payment was made or a million."""
    with store.read(within) as tx:
        return _held(tx.execute(_HELD))


def recounted(store: Store) -> Held:
    """The same from the entries themselves, all of them: what shows that the sums are right."""
    with store.read() as tx:
        return _held(tx.execute(_RECOUNTED))


def recount(store: Store) -> Held:
    """Put the sums right by the entries, and say by how much they were wrong; nobody who writes meanwhile is in the way. Reads the whole ledger."""
    with store.change() as tx:
        if tx.dialect.name == "postgresql":  # one at a time, as on SQLite whoever writes is
            tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_RECOUNTING)))
        wrong = _held(tx.execute(_WRONG))
        for (account, currency), value in sorted(wrong.items()):
            _sum_up(tx, 0, currency, {account: value})
    return wrong


def imbalance(held: Held) -> dict[str, int]:
    """What all accounts together hold of each currency where it is not zero: empty, or something is badly wrong."""
    totals: Counter[str] = Counter()
    for (_, currency), value in held.items():
        totals[currency] += value
    return {currency: total for currency, total in totals.items() if total}


def _sum_up(tx: sa.Connection, part: int, currency: str, changes: Mapping[Account, int]) -> None:
    """In the order of the accounts, so that two who meet wait for one another and not in a circle."""
    for account, value in sorted(changes.items()):
        values = {"account": account.value, "currency": currency, "part": part, "value": value}
        insert_or_add(tx, LedgerSum, values, to="value")


def _held(rows: Iterable[Row]) -> Held:
    return {(Account(account), currency): int(value) for account, currency, value in rows}


def _totals(table: type[LedgerEntry] | type[LedgerSum]) -> sa.Select[str, str, int]:
    of = (table.account, table.currency)
    return sa.select(*of, sa.func.sum(table.value)).group_by(*of)


def _wrong() -> sa.Select[str, str, int]:
    """What the entries come to more than the sums, in one statement, so that both are as of the same moment."""
    entries = sa.select(LedgerEntry.account, LedgerEntry.currency, LedgerEntry.value)
    both = entries.union_all(sa.select(LedgerSum.account, LedgerSum.currency, -LedgerSum.value)).subquery()
    total = sa.func.sum(both.c.value)
    of = (both.c.account, both.c.currency)
    return sa.select(*of, total).group_by(*of).having(total != 0)


_RECOUNTING = 0x4C454447
"""The lock of who recounts: any number that nobody else takes."""
_HELD, _RECOUNTED, _WRONG = _totals(LedgerSum), _totals(LedgerEntry), _wrong()
