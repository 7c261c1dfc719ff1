"""Types of authorization details whose entries are told apart."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("details_types", schema=None) as batch_op:
        batch_op.add_column(sa.Column("once", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("details_types", schema=None) as batch_op:
        batch_op.drop_column("once")
