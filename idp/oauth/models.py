"""The tables of this room. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class ClientRow(Model):
    """A client: its RFC 7591 metadata as one document, and beside it only what is asked for alone.

    `registration_digest` is of the token by which a client that registered itself is managed (RFC 7592), `software_statement` what vouched
    for it then (RFC 7591 §2.3).
    """

    __tablename__ = "clients"
    client_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    registration_digest: Mapped[str | None] = mapped_column(sa.String(64))
    software_statement: Mapped[str | None] = mapped_column(sa.Text)
    disabled: Mapped[bool] = mapped_column(sa.Boolean)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    updated_at: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.BigInteger)


class RegistrationTokenRow(Model):
    """A token that lets somebody register clients: its digest, and how often and how long it does (null: without end)."""

    __tablename__ = "registration_tokens"
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    uses_left: Mapped[int | None] = mapped_column(sa.Integer)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int | None] = mapped_column(sa.BigInteger, index=True)


class ResourceRow(Model):
    """An API whose tokens we issue (RFC 8707)."""

    __tablename__ = "resources"
    uri: Mapped[str] = mapped_column(sa.String(512), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    scopes: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    claims: Mapped[list[str]] = mapped_column(sa.JSON)
    signing_alg: Mapped[str] = mapped_column(sa.String(16))
    token_ttl: Mapped[int | None] = mapped_column(sa.Integer)
    may_act: Mapped[str | None] = mapped_column(sa.String(255))


class ConsentRow(Model):
    """What a person allowed a client for one audience; empty audience: the OpenID scopes."""

    __tablename__ = "consents"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    audience: Mapped[str] = mapped_column(sa.String(512), primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(1024))
    created_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    updated_at: Mapped[int] = mapped_column(sa.BigInteger)


class AuthorizationRow(Model):
    """An authorization request that waits for its person, bound to one browser."""

    __tablename__ = "authorizations"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    request: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    logged_in_sid: Mapped[str | None] = mapped_column(sa.String(64))
    chosen_sid: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    used_at: Mapped[int | None] = mapped_column(sa.BigInteger)


class CodeRow(Model):
    """An authorization code: the digest, what binds it, and the grant it will give, whose id is known before it is redeemed."""

    __tablename__ = "codes"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    redirect_uri: Mapped[str] = mapped_column(sa.String(2048))
    redirect_uri_given: Mapped[bool] = mapped_column(sa.Boolean)
    code_challenge: Mapped[str | None] = mapped_column(sa.String(128))
    cnf: Mapped[dict[str, str] | None] = mapped_column(sa.JSON(none_as_null=True))
    grant: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    used_at: Mapped[int | None] = mapped_column(sa.BigInteger)


class LogoutDeliveryRow(Model):
    """A logout token for one client (OpenID Connect Back-Channel Logout): whom it speaks of, and what became of it."""

    __tablename__ = "logout_deliveries"
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    sub: Mapped[str] = mapped_column(sa.String(64))
    sid: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(9))
    attempts: Mapped[int] = mapped_column(sa.Integer)
    last_error: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    finished_at: Mapped[int | None] = mapped_column(sa.BigInteger, index=True)


class AssertionRow(Model):
    """A client assertion that was used; kept until it expires (RFC 7523 §3)."""

    __tablename__ = "assertions"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
