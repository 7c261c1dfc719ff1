"""The first schema of the users service."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_copies",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sub"),
    )
    op.create_table(
        "user_copies_filled",
        sa.Column("audience", sa.String(length=2048), nullable=False),
        sa.Column("filled_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("audience"),
    )
    op.create_table(
        "used_once",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_used_once_until", "used_once", ["until"])


def downgrade() -> None:
    op.drop_table("used_once")
    op.drop_table("user_copies_filled")
    op.drop_table("user_copies")
