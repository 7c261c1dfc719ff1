"""One payment that was allowed in detail (RFC 9396): orders and payments compare it alike, and know it again when it is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from token_guard import DetailsNeed, Principal
from token_guard.details import Detail

from resource_server.platform.store import insert_or_ignore

TYPE = "payment_initiation"
USES = "uses"
"""The member in which one of our services says of what a person allowed its own words are the use."""


def allowed_payment(locations: tuple[str, ...]) -> DetailsNeed:
    """Any such detail for these locations. A token without one may pay what its scope lets it."""
    return DetailsNeed(type=TYPE, actions=("create",), locations=locations, required=False, same=_once)


def of_sum(need: DetailsNeed, amount: dict[str, Any], order: str | None) -> DetailsNeed:
    """The same, for exactly this sum and, where one is named, this order."""

    def fits(detail: Detail) -> bool:
        return bool(detail["instructed_amount"] == amount and detail.get("order", order) == order)

    return replace(need, fits=fits)


def _once(principal: Principal, detail: Detail) -> str:
    """The id the issuer gave to what was allowed, whichever token it comes with; without one, this token."""
    named = detail.get("authorization_id")
    return f"authorization {named}" if isinstance(named, str) else f"token {principal.token_id}"


@dataclass(frozen=True, slots=True)
class Uses:
    """The guard's `OnceStore` within the transaction of what uses it: both are kept, or neither. `table` is the service's own."""

    tx: sa.Connection
    table: Any

    def use(self, key: str, until: float) -> bool:
        return insert_or_ignore(self.tx, self.table, {"id": key, "until": int(until)})
