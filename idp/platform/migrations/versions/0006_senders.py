"""What may be seen once, and the keys that codes and refresh tokens are bound to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_replays")),
    )
    op.create_index(op.f("ix_replays_until"), "replays", ["until"], unique=False)
    for table in ("codes", "refresh_tokens"):
        op.add_column(table, sa.Column("cnf", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    for table in ("refresh_tokens", "codes"):
        op.drop_column(table, "cnf")
    op.drop_index(op.f("ix_replays_until"), table_name="replays")
    op.drop_table("replays")
