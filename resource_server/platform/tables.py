"""Tables that every service has of its own: columns only, which its models put into its schema."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column


class UsedOnceColumns:
    """Proofs and allowances that were used, until their window is over."""

    __tablename__ = "used_once"
    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    until: Mapped[int] = mapped_column(sa.BigInteger, index=True)
