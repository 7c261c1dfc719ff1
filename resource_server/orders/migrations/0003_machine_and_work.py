"""The order machine, checkouts, cancellations and work. Orders of the first schema stay: their prices become minor units."""

import sqlalchemy as sa
from alembic import op

from resource_server.api.money import Money

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _orders(*more: sa.Column) -> sa.Table:
    table = op.create_table(
        "orders",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *more,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_orders_owner_id", "orders", ["owner", "id"])
    return table


def _taken(*columns: str) -> list[dict]:
    """The rows of the table, which is dropped."""
    table = sa.table("orders", *(sa.column(name, sa.JSON if name == "lines" else None) for name in columns))
    rows = [dict(row._mapping) for row in op.get_bind().execute(sa.select(table))]
    op.drop_table("orders")
    return rows


_COLUMNS = ("id", "owner", "lines", "currency", "total", "status", "created_at", "version")


def upgrade() -> None:
    rows = _taken(*_COLUMNS)
    for row in rows:
        for line in row["lines"]:
            line["unit_price"] = Money.parse(line["unit_price"], row["currency"]).value
        row["updated_at"] = row["created_at"]
    orders = _orders(sa.Column("updated_at", sa.BigInteger(), nullable=False))
    op.bulk_insert(orders, rows)
    op.create_table(
        "order_transitions",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=True),
        sa.Column("after", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "version"),
    )
    op.create_table(
        "checkouts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("payment_version", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("payment_id"),
    )
    op.create_index("ix_checkouts_order_id", "checkouts", ["order_id"])
    op.create_table(
        "cancellations",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("finished_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=128), nullable=False),
        sa.Column("taken_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message"),
    )
    op.create_index("ix_inbox_taken_at", "inbox", ["taken_at"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("aggregate", sa.String(length=64), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("announced_until", sa.Float(precision=53), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("last_error", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("finished_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_jobs_aggregate_sequence", "jobs", ["aggregate", "sequence"])
    op.create_index("ix_jobs_state_due_at", "jobs", ["state", "due_at"])
    op.create_index("ix_jobs_state_finished_at", "jobs", ["state", "finished_at"])


def downgrade() -> None:
    for table in ("jobs", "inbox", "operations", "cancellations", "checkouts", "order_transitions"):
        op.drop_table(table)
    rows = _taken(*_COLUMNS)
    for row in rows:
        for line in row["lines"]:
            line["unit_price"] = Money(line["unit_price"], row["currency"]).text()
    op.bulk_insert(_orders(), rows)
