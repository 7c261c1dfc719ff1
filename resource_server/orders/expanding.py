"""`expand=payments.customer,customer`: orders with their payments and whose both are, for who may read those too; two levels, and no third.

Without its payments an order is not what was asked for, so while those cannot be asked it is a 503. The customer is company: the order is shown
without them, and `not_expanded` says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from token_guard import Guard, Needs

from resource_server.api.permissions import Access, kinds
from resource_server.api.problems import Problem
from resource_server.edges.faces import Absent, Asker, PaymentSeen, Refused, Unreachable, UserSeen
from resource_server.edges.joined import Edges
from resource_server.orders.documents import CustomerShown
from resource_server.platform.store import Row

PAYMENTS, CUSTOMER, PAYER = "payments", "customer", "payments.customer"
_LEVELS = 2
_READ = {PAYMENTS: Needs(scopes=("payments:read",)), CUSTOMER: Needs(scopes=("users:read",))}
_WHOLE = frozenset({"finance", "admin"})
_HIDDEN = {"method": None, "owner": None}


class Expanding:
    """Asks the other services, in this process or elsewhere; what the caller may not see is left out."""

    def __init__(self, edges: Edges, guard: Guard) -> None:
        self._edges = edges
        self._guard = guard

    def asked(self, access: Access, *names: str) -> frozenset[str]:
        """What of these is wanted, with what it is a part of; raises 400 for anything else, and `GuardError` for who lacks a scope."""
        wanted = {name for name in request.args.get("expand", "").split(",") if name}
        if any(name.count(".") >= _LEVELS for name in wanted):
            raise Problem(400, "invalid_parameter", f"expand goes {_LEVELS} levels deep.")
        if not wanted <= set(names):
            raise Problem(400, "invalid_parameter", f"expand is {' or '.join(names)}.")
        for part in sorted({part for name in wanted for part in name.split(".")}):
            self._guard.require(access.principal, _READ[part])
        return frozenset(wanted | {name.partition(".")[0] for name in wanted})

    def expanded(self, access: Access, orders: Sequence[Row], wanted: frozenset[str]) -> list[dict[str, Any]]:
        """What is shown of each of these orders beyond itself. Everybody is asked for at once."""
        people = self._customers(access, orders) if {CUSTOMER, PAYER} & wanted else {}
        paid = self._paid(access, orders) if PAYMENTS in wanted else {}
        extensions: list[dict[str, Any]] = []
        for order in orders:
            more: dict[str, Any] = people[order.owner] if CUSTOMER in wanted else {}
            if PAYMENTS in wanted:
                found = paid[order.id]
                more = {**more, PAYMENTS: [_with_payer(one, people) for one in found] if PAYER in wanted else found}
            extensions.append(more)
        return extensions

    def may_show(self, access: Access) -> bool:
        """Whether this caller may read payments."""
        return set(_READ[PAYMENTS].scopes) <= access.principal.scopes

    def payments(self, access: Access, order: Row) -> list[dict[str, Any]]:
        """The payments of an order within reach, the first first; raises 503 while payments cannot be asked."""
        return self._paid(access, [order])[order.id]

    def _paid(self, access: Access, orders: Sequence[Row]) -> Mapping[str, list[dict[str, Any]]]:
        """The payments of each of these orders, by its id; each owner is asked for once."""
        shown: dict[str, list[dict[str, Any]]] = {order.id: [] for order in orders}
        of: dict[str, list[str]] = {}
        for order in orders:
            of.setdefault(order.owner, []).append(order.id)
        whole = bool(_WHOLE.intersection(kinds(access.principal)))
        for owner, theirs in of.items():
            hidden = {} if whole or owner == access.subject else _HIDDEN
            for payment in self._payments_of(theirs, owner):
                if payment.order is not None:
                    shown[payment.order].append({**payment.shown, **hidden})
        return shown

    def _payments_of(self, orders: Sequence[str], owner: str) -> Sequence[PaymentSeen]:
        try:
            return self._edges.payments.of_orders(orders, owner=owner)
        except (Unreachable, Refused) as error:
            detail = "The payments cannot be asked now."
            raise Problem(503, "unavailable", detail, headers={"Retry-After": "2"}) from error

    def _customers(self, access: Access, orders: Sequence[Row]) -> Mapping[str, dict[str, Any]]:
        """Whose orders these are, by id, as the users service lets the caller see them."""
        owners = sorted({order.owner for order in orders})
        asker = Asker(access.principal, request.headers["Authorization"].partition(" ")[2])
        try:
            seen = self._edges.users.see(owners, asker)
        except Unreachable:
            seen = dict.fromkeys(owners, Absent.UNAVAILABLE)
        return {owner: _customer(seen[owner]) for owner in owners}


def _customer(seen: UserSeen | Absent) -> dict[str, Any]:
    if isinstance(seen, Absent):
        return {CUSTOMER: None, "not_expanded": {CUSTOMER: seen.value}}
    return {CUSTOMER: {name: seen.shown.get(name) for name in CustomerShown.model_fields}}


def _with_payer(payment: Mapping[str, Any], people: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The payment of one of these people; whose it is stays hidden with its owner."""
    return {**payment, **people.get(str(payment["owner"]), _customer(Absent.DENIED))}


def variant(extension: Mapping[str, Any]) -> bytes:
    """What the tag of an extended order depends on beside the order."""
    return json.dumps(extension, sort_keys=True).encode()
