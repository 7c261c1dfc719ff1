"""The tables of this room. Columns only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from idp.platform.db import Model


class UpstreamProviderRow(Model):
    """Somebody who vouches for people: what the operator said of them, and the sealed secret we prove ourselves with."""

    __tablename__ = "upstream_providers"
    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    given: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    secret: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    disabled: Mapped[bool] = mapped_column(sa.Boolean)
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    updated_at: Mapped[int] = mapped_column(sa.BigInteger)


class UpstreamJourneyRow(Model):
    """A browser that went to a provider: the digest of `state`, and what it comes back for: a waiting request, or a link for `sub`.

    `answer` is what a cross-site POST brought, sealed until the GET after it shows the cookies.
    """

    __tablename__ = "upstream_journeys"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    provider: Mapped[str] = mapped_column(sa.String(32))
    flow: Mapped[str | None] = mapped_column(sa.String(64))
    sub: Mapped[str | None] = mapped_column(sa.String(64))
    answer: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    expires_at: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class LinkedAccountRow(Model):
    """An account at a provider and the person here it belongs to. `subject` is the provider's `sub`; name and e-mail are as it last told them."""

    __tablename__ = "linked_accounts"
    provider: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    sub: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str | None] = mapped_column(sa.String(512))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    created_at: Mapped[int] = mapped_column(sa.BigInteger)
    used_at: Mapped[int | None] = mapped_column(sa.BigInteger)
