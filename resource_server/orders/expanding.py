"""`expand=payments`: an order with its payments, for who may read those too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import request
from token_guard import Guard, Needs

from resource_server.api.permissions import Access, kinds
from resource_server.api.problems import Problem
from resource_server.edges.faces import Refused, Unreachable
from resource_server.edges.joined import Edges
from resource_server.platform.store import Row

_PAYMENTS = "payments"
_READ = Needs(scopes=("payments:read",))
_WHOLE = frozenset({"finance", "admin"})
_HIDDEN = {"method": None, "owner": None}


class Expanding:
    """Asks payments, in this process or elsewhere, for the owner of the order; what the caller may not see is left out."""

    def __init__(self, edges: Edges, guard: Guard) -> None:
        self._edges = edges
        self._guard = guard

    def asked(self, access: Access) -> bool:
        """Whether payments are wanted; raises 400 for anything else, and `GuardError` for who may not read them."""
        wanted = {name for name in request.args.get("expand", "").split(",") if name}
        if not wanted <= {_PAYMENTS}:
            raise Problem(400, "invalid_parameter", "expand is payments.")
        if wanted:
            self._guard.require(access.principal, _READ)
        return bool(wanted)

    def payments(self, access: Access, order: Row) -> list[dict[str, Any]]:
        """The payments of an order within reach, the first first; raises 503 while payments cannot be asked."""
        try:
            found = self._edges.payments.of_orders([order.id], owner=order.owner)
        except (Unreachable, Refused) as error:
            detail = "The payments cannot be asked now."
            raise Problem(503, "unavailable", detail, headers={"Retry-After": "2"}) from error
        own = order.owner == access.subject
        hidden = {} if own or _WHOLE.intersection(kinds(access.principal)) else _HIDDEN
        return [{**payment.shown, **hidden} for payment in found]


def variant(payments: Sequence[dict[str, Any]]) -> bytes:
    """What the tag of an extended order depends on beside the order."""
    return json.dumps(payments, sort_keys=True).encode()
