"""Logins under way that add to a session."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("login_steps", sa.Column("session", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("login_steps", "session")
