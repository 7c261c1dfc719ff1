"""The faces. Every call may be repeated: whoever answers knows a `key` again and does the work once.

Amounts are minor units. Ids are those of the APIs. A call raises `Unreachable` when the other side cannot be asked now and `Refused` when it said no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from token_guard import Principal

APP = "For-App"
"""Where the credential of a call is a service's own: the client_id of the app for which that asks."""


class Unreachable(Exception):
    """The other service cannot be asked now; later it may."""


class Refused(Exception):
    """The other service said no, and will say so again. `code` and `detail` are those of its problem."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class PaymentWanted:
    """A payment that orders ask for. `key` is the checkout's id; `owner` and `client_id` are whose order it is and through which app.

    `detail` is what allows it where a person allowed just this (RFC 9396), and `allowed` what that is remembered by once it is used.
    """

    key: str
    order: str
    owner: str
    client_id: str
    value: int
    currency: str
    method: str
    capture: str = "automatic"
    detail: Mapping[str, Any] | None = None
    allowed: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment as others see it: `status` is one of the payment machine, `shown` its v2 representation, `version` grows with each step.

    `key` is the one it was asked for with, where the answer tells.
    """

    id: str
    order: str | None
    owner: str
    status: str
    version: int
    shown: Mapping[str, Any]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as others see it."""

    id: str
    owner: str
    value: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class OrderStep:
    """A step of an order, told to who sends webhooks: `version` is the one it led to, `client_id` the app that placed it, where it is known."""

    order: str
    owner: str
    status: str
    version: int
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is asked: the caller as the guard knows them, and the token they came with, which nobody keeps."""

    principal: Principal
    token: str


@dataclass(frozen=True, slots=True)
class UserSeen:
    """A person as others see them: `shown` is their v2 representation."""

    id: str
    shown: Mapping[str, Any]


class Absent(StrEnum):
    """Why a person is not seen."""

    UNAVAILABLE = "unavailable"
    """Users cannot be asked now; later they may."""
    DENIED = "access_denied"
    """The asker may not see them."""
    UNKNOWN = "not_found"


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom something is sent: no more than that needs."""

    name: str | None
    delivery_note: str | None


class PaymentsFace(Protocol):
    """What payments answer. `owner` is whose payment it is."""

    def authorize(self, wanted: PaymentWanted, token: str) -> None:
        """Before it is asked for: that the person may have this done, by the token they came with, which nobody keeps."""

    def create(self, wanted: PaymentWanted) -> PaymentSeen:
        """The payment of this key, made by the first call."""

    def find(self, payment_id: str, *, owner: str) -> PaymentSeen | None:
        """As it is now."""

    def of_orders(self, orders: Sequence[str], *, owner: str) -> Sequence[PaymentSeen]:
        """All payments of these orders, 100 at most, which are all this owner's; the oldest first."""

    def give_back(self, payment_id: str, *, owner: str, key: str) -> PaymentSeen:
        """Void what was authorized, refund what was paid: nothing of it is the customer's cost afterwards. As it is now, which may be before
        that is done; while the payment is being changed it is `Unreachable`."""

    def order_changed(self, step: OrderStep) -> None:
        """Orders tell of a step that others want to hear of; repeats do no harm."""


class OrdersFace(Protocol):
    """What orders answer."""

    def find(self, order_id: str) -> OrderSeen | None:
        """As it is now."""

    def payment_changed(self, payment: PaymentSeen) -> None:
        """Payments tell of each step; repeats and late ones do no harm."""


class UsersFace(Protocol):
    """What users answer."""

    def see(self, subjects: Sequence[str], asker: Asker) -> Mapping[str, UserSeen | Absent]:
        """Each of these people, by id, as the asker may see them; raises nothing."""

    def recipient(self, subject: str) -> Recipient | None:
        """Asked by a service for itself; None where nobody is known by this id."""
