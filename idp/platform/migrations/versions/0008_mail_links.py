"""Links that go out by mail."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_links",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_links")),
    )
    op.create_index(op.f("ix_mail_links_sub"), "mail_links", ["sub"], unique=False)
    op.create_index(op.f("ix_mail_links_expires_at"), "mail_links", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_mail_links_expires_at"), table_name="mail_links")
    op.drop_index(op.f("ix_mail_links_sub"), table_name="mail_links")
    op.drop_table("mail_links")
