"""Tables that every service has of its own: columns only, which its models put into its schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column


class UsedOnceColumns:
    """Proofs and allowances that were used, until their window is over."""

    __tablename__ = "used_once"
    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    until: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class KeptAnswerColumns:
    """An Idempotency-Key that was used: `scope` is the digest of whose it is and for what, `fingerprint` that of what was asked.

    A row commits with its answer, which is sealed. Nobody reads `state`, `lease_until` and `point`: nodes of before write them (decision 57).
    """

    __tablename__ = "kept_answers"
    scope: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(8), server_default="finished")
    lease_until: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    point: Mapped[str] = mapped_column(sa.String(64), server_default="")
    answer: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    created_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class RevocationColumns:
    """A revocation that was told to one process, for all others: `claims` are what the guard heeds. `number` rises in the order of commits.

    `digest` is by which one that is told again is known. Times in seconds; after `until` it tells nobody anything new.
    """

    __tablename__ = "revocations"
    number: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    claims: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    told_at: Mapped[float] = mapped_column(sa.Float(53))
    until: Mapped[float] = mapped_column(sa.Float(53), index=True)


class RevocationCountColumns:
    """One row: the number of the newest revocation. Raising it makes those who write wait for each other, so numbers commit in order."""

    __tablename__ = "revocation_count"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(sa.BigInteger)
