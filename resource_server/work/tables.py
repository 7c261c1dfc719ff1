"""The tables of work, which every service has of its own: columns only, which its models put into its schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class JobColumns:
    """A message to one handler: outbox row and job row in one, written with the change that asks for it, and the truth about it ever after.

    `due_at` is when it may be claimed; while it runs, when the lease ends. `announced_until`: until then a broker is trusted to carry it.
    Of one `aggregate`, jobs run in the order of `sequence`. `traceparent` is the trace in which it was asked for (W3C Trace Context).
    """

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    aggregate: Mapped[str | None] = mapped_column(sa.String(64))
    sequence: Mapped[int | None] = mapped_column(sa.BigInteger)
    state: Mapped[str] = mapped_column(sa.String(8))
    due_at: Mapped[float] = mapped_column(sa.Float(53))
    announced_until: Mapped[float] = mapped_column(sa.Float(53))
    attempts: Mapped[int] = mapped_column(sa.Integer)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(40))
    last_error: Mapped[str | None] = mapped_column(sa.String(100))
    created_at: Mapped[float] = mapped_column(sa.Float(53))
    finished_at: Mapped[float | None] = mapped_column(sa.Float(53))
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            sa.Index("ix_jobs_state_due_at", "state", "due_at"),
            sa.Index("ix_jobs_aggregate_sequence", "aggregate", "sequence"),
            sa.Index("ix_jobs_state_finished_at", "state", "finished_at"),
        )


class InboxColumns:
    """Messages that had their effect, so that none has it twice; `consumer` is who took it."""

    __tablename__ = "inbox"
    consumer: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    message: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    taken_at: Mapped[float] = mapped_column(sa.Float(53), index=True)


class PositionColumns:
    """How far a consumer has followed one aggregate of somebody else: older messages drop, later ones wait for the gap to close."""

    __tablename__ = "inbox_positions"
    consumer: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    aggregate: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(sa.BigInteger)


class OperationColumns:
    """What a caller follows after a 202. `error` is a problem (RFC 9457) once it failed; times in seconds."""

    __tablename__ = "operations"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    state: Mapped[str] = mapped_column(sa.String(20))
    resource: Mapped[str] = mapped_column(sa.String(200))
    owner: Mapped[str] = mapped_column(sa.String(255))
    client_id: Mapped[str] = mapped_column(sa.String(255))
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    created_at: Mapped[float] = mapped_column(sa.Float(53))
    finished_at: Mapped[float | None] = mapped_column(sa.Float(53))
