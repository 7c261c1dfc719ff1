"""When a person first signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("first_login_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "first_login_at")
