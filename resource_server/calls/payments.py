"""Payments, asked from another process: by the exchanged token of the person who checks out; later on, by what the service says itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from resource_server.calls.caller import Caller
from resource_server.calls.exchange import TokenExchange
from resource_server.calls.identity import ServiceKey
from resource_server.calls.transport import Call
from resource_server.edges.faces import OrderStep, PaymentSeen, PaymentWanted, Unreachable

READ, WRITE, REVERSE, HEAR = "payments:read", "payments:write", "payments:reverse", "payments:hear"
"""The last two are scopes that no issuer grants: only services say them, of what they asked for themselves."""
_DETAILS = "payment_initiation"
_MOST_HELD = 1000
_PAGE = 100
"""So many payments in one call."""


class RemotePayments:
    """Fills `PaymentsFace` by calls. What the exchange gave is held in memory until it is used, and never written down.

    A worker that does not hold it, because it is another process or comes later than the token's life, says itself for whom it acts: it
    may, since nothing is queued before the issuer agreed.
    """

    def __init__(self, caller: Caller, key: ServiceKey, exchange: TokenExchange, *, audience: str) -> None:
        self._caller = caller
        self._key = key
        self._exchange = exchange
        self._audience = audience
        self._held: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def authorize(self, wanted: PaymentWanted, token: str) -> None:
        """Exchange the person's token, narrowed to paying; raises `Refused` when the issuer does not agree."""
        details = [] if wanted.detail is None else [self._narrowed(wanted.detail)]
        exchanged = self._exchange.token(token, audience=self._audience, scope=WRITE, details=details)
        with self._lock:
            self._held[wanted.key] = exchanged
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)

    def create(self, wanted: PaymentWanted) -> PaymentSeen:
        body = {
            "amount": {"value": wanted.value, "currency": wanted.currency},
            "method": wanted.method,
            "capture": wanted.capture,
            "order": wanted.order,
        }
        with self._lock:
            held = self._held.pop(wanted.key, None)

        def credential(fresh: bool) -> str:
            if held is not None and not fresh:
                return held
            return self._key.context(self._audience, WRITE, subject=wanted.owner, details=[self._detail(wanted)])

        operation = self._caller.call(Call("payments.create", body, wanted.key, wanted.client_id), credential).document
        payment = str(operation.get("resource", "")).rpartition("/")[2]
        if not payment:
            raise Unreachable("an answer without a payment")
        return PaymentSeen(payment, wanted.order, wanted.owner, "created", 0, {}, wanted.key)

    def find(self, payment_id: str, *, owner: str) -> PaymentSeen | None:
        call = Call("payments.find", {"id": payment_id})
        return _seen(self._caller.call(call, self._context(READ, owner)).document, owner)

    def of_orders(self, orders: Sequence[str], *, owner: str) -> Sequence[PaymentSeen]:
        """Page by page. Payments that do not know yet what `orders` asks for answer more than that.

        It is for one owner also where staff look at a list: what the service says itself speaks for one person, whose payments alone it reaches. By
        an exchanged token staff could ask for everybody's at once. But no issuer's token may lie in a queue, over which payments may be
        asked (decision 32), and such a list would need the issuer and one more rule of exchange, which it does without now.
        """
        narrowed = {"order": orders[0]} if len(orders) == 1 else {"orders": ",".join(orders)}
        found: list[PaymentSeen] = []
        page: str | None = ""
        while page is not None:
            arguments = {**narrowed, "limit": _PAGE, **({"page_token": page} if page else {})}
            document = self._caller.call(Call("payments.list", arguments), self._context(READ, owner)).document
            found += [_seen(item, owner) for item in document.get("items", [])]
            page = document.get("next_page_token")
        return [payment for payment in reversed(found) if payment.order in orders]

    def give_back(self, payment_id: str, *, owner: str, key: str) -> PaymentSeen:
        call = Call("payments.give_back", {"id": payment_id}, key)
        return _seen(self._caller.call(call, self._context(REVERSE, owner)).document, owner)

    def order_changed(self, step: OrderStep) -> None:
        """A CloudEvent, with which orders act as themselves."""
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": f"{step.order}.{step.version}",
            "source": self._key.client_id,
            "type": f"order.{step.status}",
            "subject": step.order,
            "datacontenttype": "application/json",
            "data": {"order": step.order, "owner": step.owner, "status": step.status, "version": step.version},
        }
        if step.client_id is not None:
            event["data"] |= {"app": step.client_id}
        call = Call("payments.order_changed", event, str(event["id"]))
        self._caller.call(call, lambda _fresh: self._key.context(self._audience, HEAR))

    def _context(self, scope: str, owner: str) -> Callable[[bool], str]:
        return lambda _fresh: self._key.context(self._audience, scope, subject=owner)

    def _narrowed(self, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same for payments alone; where it names other places only, the issuer refuses it."""
        return {**detail, "locations": [self._audience]} if "locations" in detail else detail

    def _detail(self, wanted: PaymentWanted) -> Mapping[str, Any]:
        """Exactly this payment, once (RFC 9396)."""
        return {
            "type": _DETAILS,
            "actions": ["create"],
            "locations": [self._audience],
            "instructed_amount": {"value": wanted.value, "currency": wanted.currency},
            "order": wanted.order,
            "authorization_id": wanted.key,
            **({"uses": wanted.allowed} if wanted.allowed else {}),
        }


def _seen(document: Mapping[str, Any], owner: str) -> PaymentSeen:
    try:
        return PaymentSeen(
            document["id"], document["order"], owner, document["status"], int(document["version"]), document
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("an answer that is no payment") from error
