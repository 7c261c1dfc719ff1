"""Who may exchange tokens for what, and who may act for the subject of an API's tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_rules",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("audience", sa.String(length=512), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("from_audiences", sa.JSON(), nullable=False),
        sa.Column("impersonates", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "audience", name=op.f("pk_exchange_rules")),
    )
    with op.batch_alter_table("resources", schema=None) as batch_op:
        batch_op.add_column(sa.Column("may_act", sa.String(length=255), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("resources", schema=None) as batch_op:
        batch_op.drop_column("may_act")
    op.drop_table("exchange_rules")
