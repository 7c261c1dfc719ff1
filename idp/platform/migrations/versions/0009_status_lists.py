"""Status lists: shards, the blocks of clients, what tokens hang on, and what is revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "status_shards",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("stride", sa.Integer(), nullable=False),
        sa.Column("shift", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_status_shards")),
    )
    op.create_index(op.f("ix_status_shards_hour"), "status_shards", ["hour"], unique=False)
    op.create_index(op.f("ix_status_shards_expires_at"), "status_shards", ["expires_at"], unique=False)
    op.create_table(
        "status_blocks",
        sa.Column("shard", sa.String(length=32), nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("revoked_in", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("shard", "first", name=op.f("pk_status_blocks")),
    )
    op.create_index(op.f("ix_status_blocks_client_id"), "status_blocks", ["client_id"], unique=False)
    op.create_table(
        "status_entries",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("shard", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "target", "shard", "idx", name=op.f("pk_status_entries")),
    )
    op.create_index(op.f("ix_status_entries_expires_at"), "status_entries", ["expires_at"], unique=False)
    op.create_table(
        "revoked_indexes",
        sa.Column("shard", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revoked_in", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "idx", name=op.f("pk_revoked_indexes")),
    )


def downgrade() -> None:
    op.drop_table("revoked_indexes")
    op.drop_index(op.f("ix_status_entries_expires_at"), table_name="status_entries")
    op.drop_table("status_entries")
    op.drop_index(op.f("ix_status_blocks_client_id"), table_name="status_blocks")
    op.drop_table("status_blocks")
    op.drop_index(op.f("ix_status_shards_expires_at"), table_name="status_shards")
    op.drop_index(op.f("ix_status_shards_hour"), table_name="status_shards")
    op.drop_table("status_shards")
