"""Kept answers need no lease: nodes of before still write one, those of now leave it to the database."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
_BEFORE = (
    ("state", sa.String(length=8), "finished"),
    ("lease_until", sa.BigInteger(), "0"),
    ("point", sa.String(length=64), ""),
)


def _given(defaults: bool) -> None:
    with op.batch_alter_table("kept_answers") as table:
        for name, kind, value in _BEFORE:
            given = value if defaults else None
            table.alter_column(name, existing_type=kind, existing_nullable=False, server_default=given)


def upgrade() -> None:
    _given(defaults=True)


def downgrade() -> None:
    _given(defaults=False)
