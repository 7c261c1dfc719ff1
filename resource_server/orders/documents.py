"""v2's bodies: what is sent and what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from resource_server.api import bodies, times
from resource_server.api.money import EXPONENTS, MAX_VALUE, Money
from resource_server.api.problems import Problem
from resource_server.orders.machine import Status
from resource_server.platform.store import Row

Sku = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$", examples=["A-1"])]
Quantity = Annotated[int, Field(ge=1, le=10_000)]
MAX_LINES = 100


class Line(bodies.Strict):
    """One position: `unit_price` is in minor units of the order's currency."""

    sku: Sku
    quantity: Quantity
    unit_price: Annotated[int, Field(ge=0, le=MAX_VALUE, examples=[250])]


Lines = Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES)]


class NewOrder(bodies.Strict):
    """What an order is of."""

    lines: Lines
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]

    @field_validator("currency")
    @classmethod
    def _taken(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError("this currency is not taken")
        return value


class OrderPatch(bodies.Strict):
    """Other lines for a draft; the list is replaced as a whole (RFC 7396)."""

    lines: Lines


class LineShown(BaseModel):
    """One position."""

    sku: str
    quantity: int
    unit_price: int


class CustomerShown(BaseModel):
    """Whose order it is, as the users service shows them to the caller."""

    id: str
    given_name: str | None
    family_name: str | None
    email: str | None
    email_verified: bool
    delivery_note: str | None


class OrderShown(BaseModel):
    """An order."""

    id: str
    owner: str
    lines: list[LineShown]
    currency: str
    total: dict[str, Any]
    status: str
    created_at: str
    updated_at: str
    version: int
    payments: list[dict[str, Any]] | None = None
    """With `expand=payments`; with `expand=payments.customer` each has `customer` or `not_expanded`, as here."""
    customer: CustomerShown | None = None
    """With `expand=customer`; null where `not_expanded` says why."""
    not_expanded: dict[str, str] | None = None
    """What was asked for and is not shown, and why: `unavailable`, `access_denied` or `not_found`. New reasons may come."""


class OrderPage(BaseModel):
    """A slice of the list."""

    items: list[OrderShown]
    next_page_token: str | None


class TransitionShown(BaseModel):
    """A step of an order."""

    version: int
    before: str | None
    after: str
    reason: str | None
    at: str


class Transitions(BaseModel):
    """All steps, the first first."""

    items: list[TransitionShown]


class CheckoutShown(BaseModel):
    """An attempt to have an order paid."""

    id: str
    status: str
    payment: str | None
    amount: dict[str, Any]
    failure: str | None
    created_at: str


class Checkouts(BaseModel):
    """All of an order, the first first."""

    items: list[CheckoutShown]


class RecipientShown(BaseModel):
    """To whom it was sent, as they were then."""

    name: str | None
    delivery_note: str | None


class FulfilmentShown(BaseModel):
    """An order that is being sent out, or was; `recipient` is null where nobody was known under the order's owner."""

    id: str
    status: str
    tracking: str | None
    recipient: RecipientShown | None
    created_at: str


class Fulfilments(BaseModel):
    """At most one."""

    items: list[FulfilmentShown]


def content(lines: Sequence[Mapping[str, Any]], currency: str) -> dict[str, Any]:
    """What an order consists of, with its total; raises 422 for one that does not fit."""
    try:
        amounts = [Money(line["unit_price"], currency).times(line["quantity"]) for line in lines]
        total = reduce(Money.plus, amounts).value
    except ValueError as error:
        raise does_not_fit(str(error)) from error
    return {"lines": [dict(line) for line in lines], "currency": currency, "total": total}


def does_not_fit(detail: str) -> Problem:
    """422 for amounts that are none, or too large together."""
    return Problem(422, "invalid", "The amounts do not fit.", errors=[{"pointer": "/lines", "detail": detail}])


def order(row: Row) -> dict[str, Any]:
    """An order."""
    return {
        "id": row.id,
        "owner": row.owner,
        "lines": row.lines,
        "currency": row.currency,
        "total": {"value": row.total, "currency": row.currency},
        "status": row.status,
        "created_at": times.shown(row.created_at),
        "updated_at": times.shown(row.updated_at),
        "version": row.version,
    }


def checkout(row: Row) -> dict[str, Any]:
    """A checkout; the payment is shown by the payments API."""
    return {
        "id": row.id,
        "status": row.state if row.state in _CHECKOUT_OVER else "running",
        "payment": row.payment_id,
        "amount": {"value": row.value, "currency": row.currency},
        "failure": row.failure,
        "created_at": times.shown(row.created_at),
    }


def fulfilment(row: Row) -> dict[str, Any]:
    """A fulfilment; who asked for it stays inside."""
    return {
        "id": row.id,
        "status": row.state,
        "tracking": row.tracking,
        "recipient": row.recipient,
        "created_at": times.shown(row.created_at),
    }


def transition(row: Row) -> dict[str, Any]:
    """A step; who asked for it stays inside."""
    return {
        "version": row.version,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "at": times.shown(row.created_at),
    }


_CHECKOUT_OVER = frozenset({"succeeded", "failed", "canceled"})
V1_STATUS: Mapping[Status, str] = {
    Status.DRAFT: "draft",
    Status.AWAITING_PAYMENT: "pending",
    Status.PAYMENT_FAILED: "failed",
    Status.PAID: "paid",
    Status.FULFILLED: "paid",
    Status.CANCELED: "canceled",
}
"""What v1 calls each status."""
