"""Changes of address that wait for both addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_changes",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("old_email", sa.String(length=254), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sub", name=op.f("pk_email_changes")),
    )
    op.create_index(op.f("ix_email_changes_expires_at"), "email_changes", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_email_changes_expires_at"), table_name="email_changes")
    op.drop_table("email_changes")
