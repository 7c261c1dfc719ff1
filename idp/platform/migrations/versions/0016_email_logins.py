"""Signing in by mail."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_logins",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=True),
        sa.Column("link", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("sub", sa.String(length=64), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_logins")),
        sa.UniqueConstraint("link", name=op.f("uq_email_logins_link")),
    )
    op.create_index(op.f("ix_email_logins_expires_at"), "email_logins", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_email_logins_expires_at"), table_name="email_logins")
    op.drop_table("email_logins")
