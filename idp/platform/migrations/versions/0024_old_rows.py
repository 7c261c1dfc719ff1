"""Audit entries of before 0019 know their person by the column that lists are made from; a column that nobody read goes."""

import json
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_PAGE = 1000
_AUDIT = sa.table(
    "audit", sa.column("sequence", sa.BigInteger), sa.column("entry", sa.Text), sa.column("sub", sa.String)
)
_OLD = (
    sa.select(_AUDIT.c.sequence, _AUDIT.c.entry)
    .where(_AUDIT.c.sequence > sa.bindparam("after"), _AUDIT.c.sub.is_(None), _AUDIT.c.entry.contains('"sub"'))
    .order_by(_AUDIT.c.sequence)
    .limit(_PAGE)
)
_KNOW = sa.update(_AUDIT).where(_AUDIT.c.sequence == sa.bindparam("this")).values(sub=sa.bindparam("person"))


def upgrade() -> None:
    connection, after = op.get_bind(), -1
    while page := connection.execute(_OLD, {"after": after}).all():
        after = page[-1].sequence
        if known := _known((row.sequence, row.entry) for row in page):
            connection.execute(_KNOW, known)
    op.drop_column("authorizations", "consented_sub")


def downgrade() -> None:
    """The entries say the same of their people as the column: that stays filled."""
    op.add_column("authorizations", sa.Column("consented_sub", sa.String(length=64), nullable=True))


def _known(entries: Iterable[tuple[int, str]]) -> list[Mapping[str, int | str]]:
    told = ((sequence, json.loads(entry).get("sub")) for sequence, entry in entries)
    return [{"this": sequence, "person": sub} for sequence, sub in told if isinstance(sub, str)]
