"""The table of this room. Columns only."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class ExchangeRuleRow(Model):
    """One client may exchange for one audience; who deletes either deletes it."""

    __tablename__ = "exchange_rules"
    client_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    audience: Mapped[str] = mapped_column(sa.String(512), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(sa.JSON)
    from_audiences: Mapped[list[str]] = mapped_column(sa.JSON)
    impersonates: Mapped[bool] = mapped_column(sa.Boolean)
