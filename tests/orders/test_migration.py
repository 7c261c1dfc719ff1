"""Orders of the first schema are there after the second, in minor units, and back again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command

from resource_server.orders import book
from resource_server.platform import schema
from resource_server.platform.store import Store

ROW = {
    "id": "ord_1",
    "owner": "somebody",
    "lines": [{"sku": "A", "quantity": 3, "unit_price": "2.50"}],
    "currency": "EUR",
    "total": 750,
    "status": "draft",
    "created_at": 1_700_000_000,
    "version": 1,
}


def test_an_old_order_keeps_its_lines(unmigrated: Store) -> None:
    with unmigrated.change() as tx:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS orders")
        command.upgrade(schema.migrations(unmigrated, tx), "0002")
        old = sa.Table("orders", sa.MetaData(), autoload_with=tx)
        tx.execute(sa.insert(old).values(**ROW))
    schema.upgrade(unmigrated)
    with unmigrated.read() as tx:
        order = book.find(tx, "ord_1")
    assert order is not None
    assert (order.lines[0]["unit_price"], order.total, order.updated_at) == (250, 750, ROW["created_at"])
    with unmigrated.change() as tx:
        command.downgrade(schema.migrations(unmigrated, tx), "0002")
        assert dict(tx.execute(sa.select(old)).one()._mapping) == ROW
