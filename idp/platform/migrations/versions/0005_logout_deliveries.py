"""The log of logout tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logout_deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logout_deliveries")),
    )
    op.create_index(op.f("ix_logout_deliveries_client_id"), "logout_deliveries", ["client_id"], unique=False)
    op.create_index(op.f("ix_logout_deliveries_finished_at"), "logout_deliveries", ["finished_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_logout_deliveries_finished_at"), table_name="logout_deliveries")
    op.drop_index(op.f("ix_logout_deliveries_client_id"), table_name="logout_deliveries")
    op.drop_table("logout_deliveries")
