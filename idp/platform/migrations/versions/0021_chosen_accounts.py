"""Which account was chosen for a waiting request."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("authorizations", sa.Column("chosen_sid", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("authorizations", "chosen_sid")
