"""Tables of the orders service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resource_server.platform.tables import (
    KeptAnswerColumns,
    RevocationColumns,
    RevocationCountColumns,
    UsedOnceColumns,
)
from resource_server.work.tables import InboxColumns, JobColumns, OperationColumns


class Model(DeclarativeBase):
    """The base of this service's tables; no other service imports them."""


class UsedOnce(UsedOnceColumns, Model):
    """What was used at this service."""


class Revocation(RevocationColumns, Model):
    """What this service was told of revocations."""


class RevocationCount(RevocationCountColumns, Model):
    """How much that is."""


class KeptAnswer(KeptAnswerColumns, Model):
    """Idempotency-Keys used at this service."""


class JobRow(JobColumns, Model):
    """Work of this service."""


class InboxRow(InboxColumns, Model):
    """Messages this service took."""


class OperationRow(OperationColumns, Model):
    """Operations of this service."""


class Order(Model):
    """An order; amounts in minor units of its one currency, in `lines` too. `owner` is the `sub` of who placed it, `client_id` the app through
    which, unknown of old ones. Times in whole seconds."""

    __tablename__ = "orders"
    __table_args__ = (sa.Index("ix_orders_owner_id", "owner", "id"),)
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(sa.String(255))
    client_id: Mapped[str | None] = mapped_column(sa.String(255))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    currency: Mapped[str] = mapped_column(sa.String(3))
    total: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[str] = mapped_column(sa.String(20))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    updated_at: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.Integer)


class TransitionRow(Model):
    """A step of an order: `version` is the one it led to, `actor` the `sub` of who asked or what of ours did it."""

    __tablename__ = "order_transitions"
    order_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    version: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    before: Mapped[str | None] = mapped_column(sa.String(20))
    after: Mapped[str] = mapped_column(sa.String(20))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    actor: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)


class CheckoutRow(Model):
    """An attempt to have an order paid; its id is the key under which payments are asked. `state` says how far it is (`checkouts.State`).

    `payment_version` is the newest step of the payment that was heard of. `allowed` is what a person's allowance of just this is remembered by.
    """

    __tablename__ = "checkouts"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    order_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    operation_id: Mapped[str] = mapped_column(sa.String(40))
    owner: Mapped[str] = mapped_column(sa.String(255))
    method: Mapped[str] = mapped_column(sa.String(64))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    state: Mapped[str] = mapped_column(sa.String(10))
    payment_id: Mapped[str | None] = mapped_column(sa.String(32), unique=True)
    payment_version: Mapped[int] = mapped_column(sa.Integer)
    failure: Mapped[str | None] = mapped_column(sa.String(64))
    allowed: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)


class CancellationRow(Model):
    """An order that was called off, and the operation that ends when nothing of it is the customer's cost any more."""

    __tablename__ = "cancellations"
    order_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    operation_id: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)


class FulfilmentRow(Model):
    """An order that is being sent out, or was; `recipient` is to whom, as they were then, and `actor` the `sub` of who asked."""

    __tablename__ = "fulfilments"
    order_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    operation_id: Mapped[str] = mapped_column(sa.String(40))
    tracking: Mapped[str | None] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(10))
    recipient: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    actor: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
