"""What each account holds is kept beside the entries, so that looking at it costs the same however many there are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
_SUM_UP = """
INSERT INTO ledger_sums (account, currency, part, value)
SELECT account, currency, 0, CAST(SUM(value) AS BIGINT) FROM ledger_entries GROUP BY account, currency
"""


def upgrade() -> None:
    op.create_table(
        "ledger_sums",
        sa.Column("account", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "currency", "part"),
    )
    op.execute(_SUM_UP)


def downgrade() -> None:
    op.drop_table("ledger_sums")
