"""Tables of the orders service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resource_server.platform.tables import KeptAnswerColumns, UsedOnceColumns


class Model(DeclarativeBase):
    """The base of this service's tables; no other service imports them."""


class UsedOnce(UsedOnceColumns, Model):
    """What was used at this service."""


class KeptAnswer(KeptAnswerColumns, Model):
    """The answers of keys used at this service."""


class Order(Model):
    """An order; amounts in minor units of its one currency. `owner` is the `sub` of who placed it."""

    __tablename__ = "orders"
    __table_args__ = (sa.Index("ix_orders_owner_id", "owner", "id"),)
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(sa.String(255))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    currency: Mapped[str] = mapped_column(sa.String(3))
    total: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[str] = mapped_column(sa.String(20))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.Integer)
