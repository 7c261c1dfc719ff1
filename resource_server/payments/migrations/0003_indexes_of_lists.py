"""Lists by status, and operations that are not over, are found by an index however many payments there are."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_operations_state_created_at", "operations", ["state", "created_at"])
    op.create_index("ix_payments_status_id", "payments", ["status", "id"])


def downgrade() -> None:
    op.drop_index("ix_payments_status_id", "payments")
    op.drop_index("ix_operations_state_created_at", "operations")
