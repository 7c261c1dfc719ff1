"""The tables of this room. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class SigningKeyRow(Model):
    """A signing key: next (published), active (signs), retiring (still published), retired (private part wiped)."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        sa.Index(
            "uq_signing_keys_one_active",
            "alg",
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        ),
        sa.Index(
            "uq_signing_keys_one_next",
            "alg",
            unique=True,
            sqlite_where=sa.text("state = 'next'"),
            postgresql_where=sa.text("state = 'next'"),
        ),
    )
    kid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(sa.String(16))
    state: Mapped[str] = mapped_column(sa.String(8))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    activates_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    activated_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    retires_at: Mapped[int | None] = mapped_column(sa.BigInteger)


class GrantRow(Model):
    """What a person allowed a client; the root of a family of tokens."""

    __tablename__ = "grants"
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    sub: Mapped[str] = mapped_column(sa.String(255), index=True)
    sid: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    scope: Mapped[str] = mapped_column(sa.String(1024))
    audiences: Mapped[list[str]] = mapped_column(sa.JSON)
    offline: Mapped[bool] = mapped_column(sa.Boolean)
    auth_time: Mapped[int] = mapped_column(sa.BigInteger)
    acr: Mapped[str] = mapped_column(sa.String(32))
    amr: Mapped[list[str]] = mapped_column(sa.JSON)
    nonce: Mapped[str | None] = mapped_column(sa.String(1024))
    claims_request: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    authorization_details: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON, server_default="[]")


class RefreshTokenRow(Model):
    """One refresh token of a family: its digest, and once used, the sealed answer it gave."""

    __tablename__ = "refresh_tokens"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(sa.String(26), index=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    cnf: Mapped[dict[str, str] | None] = mapped_column(sa.JSON(none_as_null=True))
    used_at: Mapped[float | None] = mapped_column(sa.Double)
    asked: Mapped[str | None] = mapped_column(sa.String(64))
    answer: Mapped[bytes | None] = mapped_column(sa.LargeBinary)


class RevocationRow(Model):
    """Everything of `kind` and `target` that was issued until `since` is revoked; kept until the last such token is dead."""

    __tablename__ = "revocations"
    kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    target: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    since: Mapped[float] = mapped_column(sa.Double)
    until: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class StatusShardRow(Model):
    """One status list: how many positions of it are given out, and how positions are scattered."""

    __tablename__ = "status_shards"
    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    hour: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    used: Mapped[int] = mapped_column(sa.Integer)
    stride: Mapped[int] = mapped_column(sa.Integer)
    shift: Mapped[int] = mapped_column(sa.Integer)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class StatusBlockRow(Model):
    """Positions of a shard that one client's own tokens have; `revoked_in` is the generation that revoked them all."""

    __tablename__ = "status_blocks"
    shard: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    first: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(sa.Integer)
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    revoked_in: Mapped[int | None] = mapped_column(sa.BigInteger)


class StatusEntryRow(Model):
    """What a token hangs on, and its index: when that is revoked, the index is."""

    __tablename__ = "status_entries"
    kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    target: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    shard: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    idx: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class RevokedIndexRow(Model):
    """A revoked index, and the generation that revoked it."""

    __tablename__ = "revoked_indexes"
    shard: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    idx: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    revoked_in: Mapped[int] = mapped_column(sa.BigInteger)
