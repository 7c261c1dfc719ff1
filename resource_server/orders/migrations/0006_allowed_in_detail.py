"""Checkouts remember what was allowed in detail, so that payments use it up."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("checkouts") as table:
        table.add_column(sa.Column("allowed", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("checkouts") as table:
        table.drop_column("allowed")
