"""What a payment needs beyond a scope: a fresh login from a set sum on (RFC 9470), and no more than was allowed in detail (RFC 9396)."""

from __future__ import annotations

import time

import sqlalchemy as sa
from token_guard import Guard, Principal
from token_guard.details import use_detail

from resource_server.api.allowed import USES, Uses, allowed_payment, of_sum
from resource_server.api.problems import Problem
from resource_server.api.step_up import StepUp
from resource_server.payments.desk import Wanted
from resource_server.payments.models import UsedOnce
from resource_server.settings import Settings


class Allowance:
    """Asked before a payment is made; raises `GuardError`."""

    def __init__(self, settings: Settings, guard: Guard) -> None:
        self._step_up = StepUp(settings, guard, acr_values=settings.step_up_acr)
        self._issuer = settings.issuer
        self.details = allowed_payment(settings.audiences("payments"))

    def check(self, principal: Principal, value: int) -> None:
        """Whether the login is good enough for the sum."""
        self._step_up.check(principal, value)

    def use(self, tx: sa.Connection, principal: Principal, payment: Wanted) -> None:
        """Use up the detail that allows this payment, in the transaction that makes it; a token without any may pay what its scope lets it.

        What one of our services says itself uses up as well what a person had allowed it.
        """
        need = of_sum(self.details, payment.money.document(), payment.order)
        detail = use_detail(principal=principal, need=need, store=Uses(tx, UsedOnce), now=time.time())
        if detail is not None and principal.issuer != self._issuer:
            use_allowed(tx, detail.get(USES), time.time() + need.remember)


def use_allowed(tx: sa.Connection, key: object, until: float) -> None:
    """Use up what a person allowed in detail, if anything; raises 403 where it was used before."""
    if isinstance(key, str) and not Uses(tx, UsedOnce).use(key, until):
        raise Problem(403, "insufficient_authorization_details", "What was allowed in detail was used before.")
