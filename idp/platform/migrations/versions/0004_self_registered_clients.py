"""Clients that register themselves, and the tokens that let them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.add_column(sa.Column("registration_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("software_statement", sa.Text(), nullable=True))
    op.create_table(
        "registration_tokens",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_registration_tokens_digest")),
    )
    op.create_index(op.f("ix_registration_tokens_expires_at"), "registration_tokens", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_registration_tokens_expires_at"), table_name="registration_tokens")
    op.drop_table("registration_tokens")
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.drop_column("software_statement")
        batch_op.drop_column("registration_digest")
