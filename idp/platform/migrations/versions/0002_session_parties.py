"""Who takes part in a session."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_parties",
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sid", "name", name=op.f("pk_session_parties")),
    )
    op.create_index(op.f("ix_session_parties_session"), "session_parties", ["session"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_session_parties_session"), table_name="session_parties")
    op.drop_table("session_parties")
