"""v2's bodies: what is sent and what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from resource_server.api import bodies, times
from resource_server.api.money import EXPONENTS, MAX_VALUE
from resource_server.edges.v1 import PAYMENT_STATUS
from resource_server.payments.machine import Status
from resource_server.platform.store import Row

_Order = Annotated[str, Field(pattern=r"^ord_[a-v0-9]{26}$")]


class Amount(bodies.Strict):
    """Money in minor units of a currency (ISO 4217)."""

    value: Annotated[int, Field(ge=1, le=MAX_VALUE, examples=[1234])]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]

    @field_validator("currency")
    @classmethod
    def _taken(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError("this currency is not taken")
        return value


class NewPayment(bodies.Strict):
    """A payment that is asked for. `method` is a token of the payment provider, never card data."""

    amount: Amount
    method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,60}$")] = "pm_card"
    capture: Literal["automatic", "manual"] = "automatic"
    order: _Order | None = None


class Part(bodies.Strict):
    """All of it, or a part."""

    amount: Amount | None = None


class Nothing(bodies.Strict):
    """An empty object."""


class PaymentShown(BaseModel):
    """A payment."""

    id: str
    amount: dict[str, Any]
    captured: dict[str, Any]
    refunded: dict[str, Any]
    status: str
    capture: str
    method: str | None
    order: str | None
    owner: str | None
    failure: str | None
    created_at: str
    updated_at: str
    version: int


class TransitionShown(BaseModel):
    """A step of a payment."""

    version: int
    before: str | None
    after: str
    reason: str | None
    amount: dict[str, Any] | None
    at: str


class AuthenticationShown(BaseModel):
    """The page of their bank on which the payer says that it is them, to be opened in their browser."""

    url: str


class RefundShown(BaseModel):
    """Money given back, or to be."""

    id: str
    payment: str
    amount: dict[str, Any]
    status: str
    created_at: str


class PaymentPage(BaseModel):
    """A slice of the list."""

    items: list[PaymentShown]
    next_page_token: str | None


class Transitions(BaseModel):
    """All steps, the first first."""

    items: list[TransitionShown]


class Refunds(BaseModel):
    """All refunds of a payment, the first first."""

    items: list[RefundShown]


def payment(row: Row, *, masked: bool = False) -> dict[str, Any]:
    """A payment; `masked` hides who pays with what."""
    return {
        "id": row.id,
        "amount": _money(row.value, row.currency),
        "captured": _money(row.captured_value, row.currency),
        "refunded": _money(row.refunded_value, row.currency),
        "status": row.status,
        "capture": row.capture,
        "method": None if masked else row.method,
        "order": row.order_id,
        "owner": None if masked else row.owner,
        "failure": row.failure,
        "created_at": times.shown(int(row.created_at)),
        "updated_at": times.shown(int(row.updated_at)),
        "version": row.version,
    }


def transition(row: Row, currency: str) -> dict[str, Any]:
    """A step; who asked for it stays inside."""
    return {
        "version": row.version,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "amount": _money(row.value, currency) if row.value else None,
        "at": times.shown(int(row.created_at)),
    }


def refund(row: Row, currency: str) -> dict[str, Any]:
    """A refund."""
    return {
        "id": row.id,
        "payment": row.payment_id,
        "amount": _money(row.value, currency),
        "status": row.status,
        "created_at": times.shown(int(row.created_at)),
    }


V1_STATUS: Mapping[Status, str] = {status: PAYMENT_STATUS[status] for status in Status}
"""What v1 calls each status."""


def _money(value: int, currency: str) -> dict[str, Any]:
    return {"value": value, "currency": currency}
