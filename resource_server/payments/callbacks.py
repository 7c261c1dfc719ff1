"""What the provider calls back with: signed, taken once, and settled in the transaction that takes it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import structlog
from flask import Response, request

from resource_server.api import bodies
from resource_server.api.operation import Operation
from resource_server.api.problems import Problem
from resource_server.payments.models import InboxRow
from resource_server.payments.provider import Outcome, ProviderDown
from resource_server.payments.settling import Settling
from resource_server.platform import signatures
from resource_server.platform.store import Store
from resource_server.work import inbox

_CONSUMER = "provider.callback"
log = structlog.get_logger("rs.payments")


class Callbacks:
    """Open to everybody who can sign with the provider's secret, or with another one that is `accepted` while it changes."""

    def __init__(
        self, store: Store, settling: Settling, accepted: Sequence[str], *, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._settling = settling
        self._accepted = accepted
        self._now = now

    def change(self, accepted: Sequence[str]) -> None:
        """Accept these from now on."""
        self._accepted = accepted

    def operations(self) -> list[Operation]:
        return [Operation("POST", "/provider-callbacks", None, self.receive)]

    def receive(self) -> Response:
        """One callback: 204 whether it was news or a repeat; what it says of a payment is written once."""
        body = bodies.raw()
        try:
            headers = {name: request.headers.get(name, "") for name in _HEADERS}
            message = signatures.verify(self._accepted, headers, body, now=self._now())
        except signatures.Unverified as error:
            log.warning("callback refused", reason=str(error))
            raise Problem(401, "unauthorized", "The callback is not signed as it must be.") from error
        payment, outcome = _read(body)
        with self._store.change() as tx:
            if inbox.take(tx, InboxRow, _CONSUMER, message, self._now()):
                self._settling.settle(tx, payment, outcome)
        return Response(status=204)


_HEADERS = (signatures.ID, signatures.TIMESTAMP, signatures.SIGNATURE)


def _read(body: bytes) -> tuple[str, Outcome]:
    try:
        data = json.loads(body)["data"]
        reference = data["reference"]
        if data["what"] != "charge" or not isinstance(reference, str):
            raise ValueError("of no payment")
        return reference, Outcome.parse(data)
    except (ValueError, KeyError, TypeError, RecursionError, ProviderDown) as error:
        raise Problem(400, "malformed", "The callback cannot be read.") from error
