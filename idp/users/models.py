"""The tables of this room. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class UserRow(Model):
    """A person. `username_key` and `email_key` are what uniqueness and look-ups compare.

    `closed_at`: they closed the account themselves and may open it again; `deletes_at`: when it is deleted for good.
    """

    __tablename__ = "users"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(64))
    username_key: Mapped[str] = mapped_column(sa.String(128), unique=True)
    email: Mapped[str | None] = mapped_column(sa.String(254))
    email_key: Mapped[str | None] = mapped_column(sa.String(254), unique=True)
    email_verified: Mapped[bool] = mapped_column(sa.Boolean)
    password: Mapped[str | None] = mapped_column(sa.String(512))
    roles: Mapped[list[str]] = mapped_column(sa.JSON)
    claims: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    disabled: Mapped[bool] = mapped_column(sa.Boolean)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    updated_at: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    first_login_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    closed_at: Mapped[int | None] = mapped_column(sa.BigInteger)
    deletes_at: Mapped[int | None] = mapped_column(sa.BigInteger, index=True)


class SessionRow(Model):
    """A person logged in in one browser; `digest` is that of the cookie. `peer` and `agent` are whence and with what they last logged in."""

    __tablename__ = "sessions"
    sid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    sub: Mapped[str] = mapped_column(sa.String(64), index=True)
    auth_time: Mapped[int] = mapped_column(sa.BigInteger)
    acr: Mapped[str] = mapped_column(sa.String(32))
    amr: Mapped[list[str]] = mapped_column(sa.JSON)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    seen_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    peer: Mapped[str | None] = mapped_column(sa.String(64))
    agent: Mapped[str | None] = mapped_column(sa.String(256))


class SessionPartyRow(Model):
    """Somebody who takes part in a session and is told when it ends; this room knows no more of them than a name.

    `sid` is what they know; `session` is the living one after it, when the person logged in again after a pause.
    """

    __tablename__ = "session_parties"
    sid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    session: Mapped[str] = mapped_column(sa.String(64), index=True)


class DeviceRow(Model):
    """A browser in which this person logged in before: its failures are counted apart from strangers'."""

    __tablename__ = "devices"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    seen_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    trusted_until: Mapped[int | None] = mapped_column(sa.BigInteger)


class TotpRow(Model):
    """A person's authenticator app (RFC 6238): its sealed secret, and the last time step whose code was used."""

    __tablename__ = "totp"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    last_step: Mapped[int] = mapped_column(sa.BigInteger)


class RecoveryCodeRow(Model):
    """One recovery code: its digest, and when it was used."""

    __tablename__ = "recovery_codes"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    used_at: Mapped[int | None] = mapped_column(sa.BigInteger)


class PasskeyRow(Model):
    """A passkey (WebAuthn Level 3 §4). `digest` is that of the credential id, which can be too long for an index."""

    __tablename__ = "passkeys"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    sub: Mapped[str] = mapped_column(sa.String(64), index=True)
    credential: Mapped[bytes] = mapped_column(sa.LargeBinary)
    public_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    sign_count: Mapped[int] = mapped_column(sa.BigInteger)
    aaguid: Mapped[str] = mapped_column(sa.String(36))
    transports: Mapped[list[str]] = mapped_column(sa.JSON)
    backup_eligible: Mapped[bool] = mapped_column(sa.Boolean)
    backed_up: Mapped[bool] = mapped_column(sa.Boolean)
    name: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    used_at: Mapped[int | None] = mapped_column(sa.BigInteger)


class LoginStepRow(Model):
    """A login that is under way in one browser: who it is, what was proven so far, and for which waiting request.

    `session` is the one that this adds to, where it is no new login.
    """

    __tablename__ = "login_steps"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    flow: Mapped[str | None] = mapped_column(sa.String(64))
    sub: Mapped[str] = mapped_column(sa.String(64), index=True)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    amr: Mapped[list[str]] = mapped_column(sa.JSON)
    session: Mapped[str | None] = mapped_column(sa.String(64))
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class MailLinkRow(Model):
    """A link that went out by mail: its digest, what it is for, and the person and address it was made for."""

    __tablename__ = "mail_links"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(sa.String(16))
    sub: Mapped[str] = mapped_column(sa.String(64), index=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class EmailChangeRow(Model):
    """A change of a person's address that waits: to which one, from which one, and which of the two said yes already."""

    __tablename__ = "email_changes"
    sub: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    old_email: Mapped[str | None] = mapped_column(sa.String(254))
    confirmed: Mapped[bool] = mapped_column(sa.Boolean)
    approved: Mapped[bool] = mapped_column(sa.Boolean)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class InvitationRow(Model):
    """An address that may make an account: the digest of its link, and the roles that come with it."""

    __tablename__ = "invitations"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    email_key: Mapped[str] = mapped_column(sa.String(254), unique=True)
    roles: Mapped[list[str]] = mapped_column(sa.JSON)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class EmailLoginRow(Model):
    """A login by mail that waits: its browser and waiting request and, once a letter went out, the digest of its link, the tag of its code,
    and whose it is; `tries` counts codes."""

    __tablename__ = "email_logins"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    flow: Mapped[str | None] = mapped_column(sa.String(64))
    link: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    code: Mapped[str | None] = mapped_column(sa.String(64))
    sub: Mapped[str | None] = mapped_column(sa.String(64))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    tries: Mapped[int] = mapped_column(sa.Integer)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class SignUpRow(Model):
    """A sign-up that waits for the proof of its address: its browser and waiting request, who it would be, the hash of their password where they
    chose one and, once a letter went out, the digest of its link and the tag of its code; `tries` counts codes."""

    __tablename__ = "signups"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    flow: Mapped[str | None] = mapped_column(sa.String(64))
    username: Mapped[str] = mapped_column(sa.String(64))
    email: Mapped[str] = mapped_column(sa.String(254))
    claims: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    password: Mapped[str | None] = mapped_column(sa.String(512))
    link: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    code: Mapped[str | None] = mapped_column(sa.String(64))
    tries: Mapped[int] = mapped_column(sa.Integer)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)
