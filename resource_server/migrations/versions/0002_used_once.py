"""What may be used once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_once",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("used_once", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_once_until"), ["until"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("used_once", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_used_once_until"))

    op.drop_table("used_once")
