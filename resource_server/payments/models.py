"""Tables of the payments service."""

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
    """Operations of this service; those that are not over are few, and found by their state."""

    __table_args__ = (sa.Index("ix_operations_state_created_at", "state", "created_at"),)


class Payment(Model):
    """A payment; values in minor units. `owner` is the `sub` of who made it, `order_id` an id of the orders service.

    `attempt` is the provider's idempotency key of the charge, and the operation that made it. `busy` is the operation under way: there is
    one at a time. `checkout` is the key under which orders asked for it.
    """

    __tablename__ = "payments"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(sa.String(255))
    client_id: Mapped[str] = mapped_column(sa.String(255))
    order_id: Mapped[str | None] = mapped_column(sa.String(32), index=True)
    method: Mapped[str] = mapped_column(sa.String(64))
    capture: Mapped[str] = mapped_column(sa.String(9))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    status: Mapped[str] = mapped_column(sa.String(24))
    captured_value: Mapped[int] = mapped_column(sa.BigInteger)
    refunded_value: Mapped[int] = mapped_column(sa.BigInteger)
    failure: Mapped[str | None] = mapped_column(sa.String(64))
    attempt: Mapped[str] = mapped_column(sa.String(40))
    busy: Mapped[str | None] = mapped_column(sa.String(40))
    checkout: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[float] = mapped_column(sa.Float(53))
    updated_at: Mapped[float] = mapped_column(sa.Float(53))
    version: Mapped[int] = mapped_column(sa.Integer)
    __table_args__ = (
        sa.Index("ix_payments_owner_id", "owner", "id"),
        sa.Index("ix_payments_status_id", "status", "id"),
    )


class TransitionRow(Model):
    """A step of a payment: `version` is the one it led to, `actor` the `sub` of who asked or what of ours did it."""

    __tablename__ = "payment_transitions"
    payment_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    version: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    before: Mapped[str | None] = mapped_column(sa.String(24))
    after: Mapped[str] = mapped_column(sa.String(24))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    actor: Mapped[str] = mapped_column(sa.String(255))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[float] = mapped_column(sa.Float(53))


class LedgerEntry(Model):
    """What one step did to one account, in minor units; the rows of a step sum to zero."""

    __tablename__ = "ledger_entries"
    payment_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    version: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    account: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    currency: Mapped[str] = mapped_column(sa.String(3))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[float] = mapped_column(sa.Float(53))


class LedgerSum(Model):
    """What an account holds of a currency, in parts that are written beside the entries they sum up: who writes at once seldom meets."""

    __tablename__ = "ledger_sums"
    account: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    currency: Mapped[str] = mapped_column(sa.String(3), primary_key=True)
    part: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(sa.BigInteger)


class Refund(Model):
    """Money given back, or to be; above a limit a second person, `approved_by`, is needed."""

    __tablename__ = "refunds"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    payment_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    operation_id: Mapped[str] = mapped_column(sa.String(40))
    value: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[str] = mapped_column(sa.String(20))
    requested_by: Mapped[str] = mapped_column(sa.String(255))
    approved_by: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[float] = mapped_column(sa.Float(53))


class EventRow(Model):
    """Something that happened, thin: what it is about and where to look. `client_id` is through whom the payment was made."""

    __tablename__ = "events"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(64))
    client_id: Mapped[str] = mapped_column(sa.String(255))
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[float] = mapped_column(sa.Float(53))
    __table_args__ = (sa.Index("ix_events_client_id_id", "client_id", "id"),)


class EndpointRow(Model):
    """Where events are sent: those of one client's payments, or all of them (`everything`)."""

    __tablename__ = "webhook_endpoints"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    everything: Mapped[bool] = mapped_column(sa.Boolean)
    url: Mapped[str] = mapped_column(sa.String(2048))
    events: Mapped[list[str]] = mapped_column(sa.JSON)
    state: Mapped[str] = mapped_column(sa.String(8))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[float] = mapped_column(sa.Float(53))
    version: Mapped[int] = mapped_column(sa.Integer)
    __table_args__ = (sa.Index("ix_webhook_endpoints_everything", "everything", "state"),)


class EndpointSecret(Model):
    """A key that signs for an endpoint, sealed; `until` is when a replaced one no longer does."""

    __tablename__ = "webhook_secrets"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    scheme: Mapped[str] = mapped_column(sa.String(3))
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    until: Mapped[float | None] = mapped_column(sa.Float(53))
    created_at: Mapped[float] = mapped_column(sa.Float(53))


class DeliveryRow(Model):
    """How an event fares at an endpoint."""

    __tablename__ = "webhook_deliveries"
    event_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(10))
    attempts: Mapped[int] = mapped_column(sa.Integer)
    last_status: Mapped[int | None] = mapped_column(sa.Integer)
    updated_at: Mapped[float] = mapped_column(sa.Float(53))
