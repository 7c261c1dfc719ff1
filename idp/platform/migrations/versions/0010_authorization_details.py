"""Types of authorization details, and what was granted of them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "details_types",
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("words", sa.String(length=1000), nullable=True),
        sa.Column("maximums", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("type", name=op.f("pk_details_types")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.add_column(sa.Column("authorization_details", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.drop_column("authorization_details")
    op.drop_table("details_types")
