"""What people see of themselves: whence their sessions are, since when apps are allowed, their events, and accounts they closed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audit") as batch_op:
        batch_op.add_column(sa.Column("sub", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("personal", sa.Text(), nullable=True))
        batch_op.create_index("ix_audit_person", ["sub", "sequence"], unique=False)
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("closed_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("deletes_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(op.f("ix_users_deletes_at"), ["deletes_at"], unique=False)
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.add_column(sa.Column("peer", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("agent", sa.String(length=256), nullable=True))
    with op.batch_alter_table("consents") as batch_op:
        batch_op.add_column(sa.Column("created_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("consents") as batch_op:
        batch_op.drop_column("created_at")
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.drop_column("agent")
        batch_op.drop_column("peer")
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_index(op.f("ix_users_deletes_at"))
        batch_op.drop_column("deletes_at")
        batch_op.drop_column("closed_at")
    with op.batch_alter_table("audit") as batch_op:
        batch_op.drop_index("ix_audit_person")
        batch_op.drop_column("personal")
        batch_op.drop_column("sub")
