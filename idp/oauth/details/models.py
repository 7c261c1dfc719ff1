"""The table of this room. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class DetailsTypeRow(Model):
    """A type of authorization details that clients may ask for (RFC 9396 §2)."""

    __tablename__ = "details_types"
    type: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    schema: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    resources: Mapped[list[str]] = mapped_column(sa.JSON)
    words: Mapped[str | None] = mapped_column(sa.String(1000))
    maximums: Mapped[list[str]] = mapped_column(sa.JSON)
    once: Mapped[bool] = mapped_column(sa.Boolean, server_default=sa.false())
