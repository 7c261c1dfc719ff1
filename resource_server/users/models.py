"""Tables of the users service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resource_server.platform.tables import UsedOnceColumns


class Model(DeclarativeBase):
    """The base of this service's tables; no other service imports them."""


class UsedOnce(UsedOnceColumns, Model):
    """What was used at this service."""


class UserCopy(Model):
    """A person as last told; `gone` ones stay as a tombstone, so that a late event does not bring them back."""

    __tablename__ = "user_copies"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    gone: Mapped[bool] = mapped_column(sa.Boolean)
    facts: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class Filled(Model):
    """One row once the copy was filled from the snapshot."""

    __tablename__ = "user_copies_filled"
    audience: Mapped[str] = mapped_column(sa.String(2048), primary_key=True)
    filled_at: Mapped[int] = mapped_column(sa.BigInteger)
