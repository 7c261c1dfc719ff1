"""Tables of the payments service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resource_server.platform.tables import UsedOnceColumns


class Model(DeclarativeBase):
    """The base of this service's tables; no other service imports them."""


class UsedOnce(UsedOnceColumns, Model):
    """What was used at this service."""


class Payment(Model):
    """A payment; `value` in minor units. `owner` is the `sub` of who made it, `order_id` an id of the orders service."""

    __tablename__ = "payments"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(sa.String(255), index=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    order_id: Mapped[str | None] = mapped_column(sa.String(32))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    status: Mapped[str] = mapped_column(sa.String(20), index=True)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.Integer)


class IdempotencyKey(Model):
    """A key that was used: what was asked with it, and the answer it got."""

    __tablename__ = "idempotency_keys"
    scope: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    answer: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
