"""Whatever is listed or looked up is found by an index, in its order: no page costs more because there are many payments."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from resource_server.payments import ledger
from resource_server.payments.models import EventRow, JobRow, OperationRow, Payment, TransitionRow
from resource_server.payments.v2 import listed
from resource_server.platform.store import Store

ORDER = {"order": "ord_" + "0" * 26}


def slice_of(query: sa.Select[Any], key: Any) -> sa.Select[Any]:
    """A page as the lists ask for it."""
    return query.where(key < "x").order_by(key.desc()).limit(21)


def some(table: type[DeclarativeBase], *which: Any) -> sa.Select[Any]:
    return sa.select(*table.__table__.c).where(*which)


QUERIES = {
    "everybody's payments": slice_of(listed(None, {}), Payment.id),
    "one's own": slice_of(listed("somebody", {}), Payment.id),
    "those in a status": slice_of(listed(None, {"status": "failed"}), Payment.id),
    "one's own in a status": slice_of(listed("somebody", {"status": "failed"}), Payment.id),
    "a payment": some(Payment, Payment.id == "x"),
    "its steps": some(TransitionRow, TransitionRow.payment_id == "x").order_by(TransitionRow.version),
    "an operation": some(OperationRow, OperationRow.id == "x"),
    "operations that are stuck": some(OperationRow, OperationRow.state == "running", OperationRow.created_at < 1.0),
    "dead letters": some(JobRow, JobRow.state == "dead").order_by(JobRow.due_at).limit(100),
    "an app's events": slice_of(some(EventRow, EventRow.client_id == "app"), EventRow.id),
}
"""Those of an order are few, and sorted once they are found."""
FOUND = {**QUERIES, "those of an order": slice_of(listed("somebody", ORDER), Payment.id)}


def plan(store: Store, query: sa.Select[Any]) -> str:
    """How the database would answer with many rows; PostgreSQL is asked to think so, its tables being empty."""
    dialect = store.engine.dialect
    compiled = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    with store.read() as tx:
        if dialect.name == "sqlite":
            return "\n".join(str(row.detail) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
        for way in ("seqscan", "bitmapscan", "sort"):
            tx.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {compiled}"))


def test_what_accounts_hold_is_read_without_a_look_at_any_entry(store: Store) -> None:
    told = plan(store, ledger._HELD)
    assert "ledger_sums" in told
    assert "ledger_entries" not in told


@pytest.mark.parametrize("what", FOUND)
def test_an_index_finds_it(store: Store, what: str) -> None:
    told = plan(store, FOUND[what])
    assert "INDEX" in told.upper()
    assert "Seq Scan" not in told
    assert not [line for line in told.splitlines() if line.startswith("SCAN")]


@pytest.mark.parametrize("what", QUERIES)
def test_nothing_is_sorted_to_show_a_page(store: Store, what: str) -> None:
    told = plan(store, QUERIES[what])
    assert "TEMP B-TREE" not in told
    assert "Sort" not in told
