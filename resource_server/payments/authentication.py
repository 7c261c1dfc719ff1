"""Where payers prove at their bank who they are, while a payment waits for it: the provider is asked anew, and nothing is kept of it."""

from __future__ import annotations

from flask import Response, jsonify

from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem
from resource_server.payments import matrix
from resource_server.payments.documents import AuthenticationShown
from resource_server.payments.machine import Status
from resource_server.payments.provider import Provider, ProviderDown
from resource_server.payments.v2 import READ, within_reach
from resource_server.platform.store import Store


class Authentications:
    """One noun under a payment."""

    def __init__(self, store: Store, provider: Provider) -> None:
        self._store = store
        self._provider = provider

    def mounted(self) -> list[Operation]:
        doc = Doc(
            summary="Find the bank's page", answers={200: AuthenticationShown}, problems=("illegal_step", "unavailable")
        )
        path = "/v2/payments/<payment_id>/authentication"
        return [Operation("GET", path, READ, self.show, matrix.AUTHENTICATE, doc=doc)]

    def show(self, access: Access, payment_id: str) -> Response:
        """The address of the page; 409 while the payment waits for nobody, 503 when the provider cannot be asked."""
        with self._store.read() as tx:
            payment = within_reach(tx, access, payment_id)
        url = self._page(payment.attempt) if payment.status == Status.REQUIRES_AUTHENTICATION else None
        if url is None:
            raise Problem(409, "illegal_step", "The payment does not wait for its payer.")
        return jsonify({"url": url})

    def _page(self, attempt: str) -> str | None:
        """What the provider knows of it now, which is news before its callback is."""
        try:
            found = self._provider.find(attempt)
        except ProviderDown as error:
            detail = "The payment provider cannot be reached."
            raise Problem(503, "unavailable", detail, headers={"Retry-After": "2"}) from error
        return None if found is None else found.action_url
