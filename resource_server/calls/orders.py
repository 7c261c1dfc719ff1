"""Orders, told from another process how payments fare: a CloudEvent, with which the payments service acts as itself."""

from __future__ import annotations

from resource_server.calls.caller import Caller
from resource_server.calls.identity import ServiceKey
from resource_server.calls.transport import Call
from resource_server.edges.faces import OrderSeen, PaymentSeen, Unreachable

HEAR = "orders:hear"
"""A scope that no issuer grants."""


class RemoteOrders:
    """Fills `OrdersFace` by calls."""

    def __init__(self, caller: Caller, key: ServiceKey, *, audience: str, source: str) -> None:
        self._caller = caller
        self._key = key
        self._audience = audience
        self._source = source

    def find(self, order_id: str) -> OrderSeen | None:
        """Payments need not know an order: what may be paid for it stands in what orders ask for."""
        raise Unreachable(order_id)

    def payment_changed(self, payment: PaymentSeen) -> None:
        event = {
            "specversion": "1.0",
            "id": f"{payment.id}.{payment.version}",
            "source": self._source,
            "type": f"payment.{payment.status}",
            "subject": payment.id,
            "datacontenttype": "application/json",
            "data": {
                "payment": payment.id,
                "order": payment.order,
                "owner": payment.owner,
                "status": payment.status,
                "version": payment.version,
                "key": payment.key,
                "failure": payment.shown.get("failure"),
            },
        }
        call = Call("orders.payment_changed", event, str(event["id"]))
        self._caller.call(call, lambda _fresh: self._key.context(self._audience, HEAR))
