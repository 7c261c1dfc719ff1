"""Tables of the users service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resource_server.platform.tables import RevocationColumns, RevocationCountColumns, UsedOnceColumns


class Model(DeclarativeBase):
    """The base of this service's tables; no other service imports them."""


class UsedOnce(UsedOnceColumns, Model):
    """What was used at this service."""


class Revocation(RevocationColumns, Model):
    """What this service was told of revocations."""


class RevocationCount(RevocationCountColumns, Model):
    """How much that is."""


class UserCopy(Model):
    """A person as last told; `gone` ones stay as a tombstone, so that a late event does not bring them back.

    `email_key` is their address as it is searched for.
    """

    __tablename__ = "user_copies"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    gone: Mapped[bool] = mapped_column(sa.Boolean)
    facts: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    email_key: Mapped[str | None] = mapped_column(sa.String(254), index=True)


class UserPreferences(Model):
    """What this service itself knows of a person. `changes` counts how often it was changed."""

    __tablename__ = "user_preferences"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    changes: Mapped[int] = mapped_column(sa.BigInteger)
    preferred_currency: Mapped[str | None] = mapped_column(sa.String(3))
    delivery_note: Mapped[str | None] = mapped_column(sa.String(500))
    newsletter: Mapped[bool] = mapped_column(sa.Boolean)


class Filled(Model):
    """One row once the copy was filled from the snapshot."""

    __tablename__ = "user_copies_filled"
    audience: Mapped[str] = mapped_column(sa.String(2048), primary_key=True)
    filled_at: Mapped[int] = mapped_column(sa.BigInteger)
