"""Second factors, logins under way, and browsers that are trusted with one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "totp",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sub", name=op.f("pk_totp")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sub", "digest", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "login_steps",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=True),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_login_steps")),
    )
    op.create_index(op.f("ix_login_steps_sub"), "login_steps", ["sub"], unique=False)
    op.create_index(op.f("ix_login_steps_expires_at"), "login_steps", ["expires_at"], unique=False)
    with op.batch_alter_table("devices") as batch_op:
        batch_op.add_column(sa.Column("trusted_until", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("devices") as batch_op:
        batch_op.drop_column("trusted_until")
    op.drop_index(op.f("ix_login_steps_expires_at"), table_name="login_steps")
    op.drop_index(op.f("ix_login_steps_sub"), table_name="login_steps")
    op.drop_table("login_steps")
    op.drop_table("recovery_codes")
    op.drop_table("totp")
