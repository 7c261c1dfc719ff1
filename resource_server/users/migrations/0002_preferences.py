"""What the service itself knows of people, and addresses as they are searched for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_preferences",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("preferred_currency", sa.String(length=3), nullable=True),
        sa.Column("delivery_note", sa.String(length=500), nullable=True),
        sa.Column("newsletter", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sub"),
    )
    op.add_column("user_copies", sa.Column("email_key", sa.String(length=254), nullable=True))
    _fill(op.get_bind())
    op.create_index("ix_user_copies_email_key", "user_copies", ["email_key"])


def _fill(bind: sa.Connection) -> None:
    copies = sa.table("user_copies", sa.column("sub"), sa.column("facts", sa.JSON()), sa.column("email_key"))
    for sub, facts in bind.execute(sa.select(copies.c.sub, copies.c.facts)).all():
        email = facts.get("email")
        if email is not None:
            bind.execute(sa.update(copies).where(copies.c.sub == sub).values(email_key=email.casefold()[:254]))


def downgrade() -> None:
    op.drop_index("ix_user_copies_email_key", "user_copies")
    op.drop_column("user_copies", "email_key")
    op.drop_table("user_preferences")
