"""What a payment needs beyond a scope: a fresh login from a set sum on (RFC 9470), and no more than was allowed in detail (RFC 9396)."""

from __future__ import annotations

import time
from dataclasses import replace

import sqlalchemy as sa
from token_guard import DetailsNeed, Guard, Principal
from token_guard.details import Detail, use_detail

from resource_server.api.step_up import StepUp
from resource_server.payments.desk import Wanted
from resource_server.payments.models import UsedOnce
from resource_server.platform.store import insert_or_ignore
from resource_server.settings import Settings

TYPE = "payment_initiation"


def _once(principal: Principal, detail: Detail) -> str:
    """The id the issuer gave to what was allowed, whichever token it comes with; without one, this token."""
    named = detail.get("authorization_id")
    return f"authorization {named}" if isinstance(named, str) else f"token {principal.token_id}"


class Allowance:
    """Asked before a payment is made; raises `GuardError`."""

    def __init__(self, settings: Settings, guard: Guard) -> None:
        self._step_up = StepUp(settings, guard, acr_values=settings.step_up_acr)
        self.details = DetailsNeed(
            type=TYPE, actions=("create",), locations=settings.audiences("payments"), required=False, same=_once
        )

    def check(self, principal: Principal, value: int) -> None:
        """Whether the login is good enough for the sum."""
        self._step_up.check(principal, value)

    def use(self, tx: sa.Connection, principal: Principal, payment: Wanted) -> None:
        """Use up the detail that allows this payment, in the transaction that makes it; a token without any may pay what its scope lets it."""
        need = replace(self.details, fits=lambda detail: _fits(detail, payment))
        use_detail(principal=principal, need=need, store=_Uses(tx), now=time.time())


def _fits(detail: Detail, payment: Wanted) -> bool:
    """Exactly this sum and, where one is named, this order."""
    amount, order = payment.money.document(), payment.order
    return bool(detail["instructed_amount"] == amount and detail.get("order", order) == order)


class _Uses:
    """The guard's `OnceStore` within the transaction of the payment: both are kept, or neither."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def use(self, key: str, until: float) -> bool:
        return insert_or_ignore(self._tx, UsedOnce, {"id": key, "until": int(until)})
