"""The tables of the platform: generations, counters, jobs, outbox, receivers, audit trail. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class InstanceRow(Model):
    """Facts about this database, such as the check value of its master key."""

    __tablename__ = "instance"
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(256))


class GenerationRow(Model):
    """A number that grows with every change of something that servers cache."""

    __tablename__ = "generations"
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    value: Mapped[int] = mapped_column(sa.BigInteger)


class CounterRow(Model):
    """How often something happened in a window; the key is a keyed hash."""

    __tablename__ = "counters"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    count: Mapped[int] = mapped_column(sa.Integer)
    resets_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class ThrottleRow(Model):
    """Wrong answers under one key, a keyed hash: how many in the window that began then, how many waits so far, and until when one lasts."""

    __tablename__ = "throttles"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    count: Mapped[int] = mapped_column(sa.Integer)
    strikes: Mapped[int] = mapped_column(sa.Integer)
    began_at: Mapped[int] = mapped_column(sa.BigInteger)
    wait_until: Mapped[int] = mapped_column(sa.BigInteger)
    forget_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class ReplayRow(Model):
    """A key that was burned: it may not be seen again until then."""

    __tablename__ = "replays"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    until: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class JobRow(Model):
    """Work to be done once, whatever the number of nodes: claimed with a lease, retried, buried when it keeps failing."""

    __tablename__ = "jobs"
    __table_args__ = (sa.Index("ix_jobs_due", "state", "run_at"),)
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    unique_key: Mapped[str | None] = mapped_column(sa.String(128), unique=True)
    state: Mapped[str] = mapped_column(sa.String(8))
    run_at: Mapped[float] = mapped_column(sa.Double)
    attempts: Mapped[int] = mapped_column(sa.Integer)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(26))
    last_error: Mapped[str | None] = mapped_column(sa.String(256))
    finished_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))


class OutboxRow(Model):
    """An event that committed with the change it tells of. Sequences are given out under a lock, so they follow commit order."""

    __tablename__ = "outbox"
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(sa.String(64))
    subject: Mapped[str] = mapped_column(sa.String(255))
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))


class ReceiverRow(Model):
    """A service that is told of events, and how far it has been told."""

    __tablename__ = "receivers"
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    url: Mapped[str] = mapped_column(sa.String(2048))
    audience: Mapped[str] = mapped_column(sa.String(2048))
    events: Mapped[list[str]] = mapped_column(sa.JSON)
    token_digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    position: Mapped[int] = mapped_column(sa.BigInteger)
    failures: Mapped[int] = mapped_column(sa.Integer)
    next_attempt_at: Mapped[float] = mapped_column(sa.Double)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(26))
    lease_until: Mapped[float] = mapped_column(sa.Double)
    last_error: Mapped[str | None] = mapped_column(sa.String(256))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)


class AuditRow(Model):
    """One entry of the audit trail; `hash` covers the entry and the hash before it.

    `sub` is the person it speaks of. `personal` is what it says of them that can be forgotten: the entry holds its digest alone.
    """

    __tablename__ = "audit"
    __table_args__ = (sa.Index("ix_audit_person", "sub", "sequence"),)
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    event: Mapped[str] = mapped_column(sa.String(64))
    entry: Mapped[str] = mapped_column(sa.Text)
    hash: Mapped[str] = mapped_column(sa.String(64))
    sub: Mapped[str | None] = mapped_column(sa.String(255))
    personal: Mapped[str | None] = mapped_column(sa.Text)


class AuditHeadRow(Model):
    """The end of the chain: one row, whose lock puts the entries in order."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(sa.BigInteger)
    hash: Mapped[str] = mapped_column(sa.String(64))
