"""What changes from v1 to v2: the page that every answer of v1 links to while it ends."""

from __future__ import annotations

from flask import Response

from resource_server.api import html
from resource_server.api.operation import Operation
from resource_server.api.versions import MIGRATION

_DIFFERENCES = (
    ("Amounts", '"amount": "12.34", "currency": "EUR"', '"amount": {"value": 1234, "currency": "EUR"}, in minor units'),
    (
        "A new payment",
        "201 with its status, after at most 2 s",
        "202 with an operation to follow; Prefer: wait=5 waits",
    ),
    (
        "State of a payment",
        "pending, paid, failed, refunded",
        "every state, with its transitions, captures and refunds",
    ),
    ("The payment of an order", "in the order", "with expand=payments, all of them"),
    ("Lists", "page, per_page, total", "limit, page_token, next_page_token; no total"),
    ("Names of people", "name", "given_name and family_name"),
    ("Times", "seconds since 1970", "RFC 3339, such as 2026-11-25T12:00:00Z"),
    ("Changing things", "not offered", "PATCH with If-Match, which names the version you saw"),
    ("Idempotency-Key", "may be sent", "must be sent with every POST that makes something"),
)


def migration_page() -> Operation:
    """Served by every process, whichever services it is."""
    return Operation("GET", MIGRATION, None, _show, produces="text/html")


def _show() -> Response:
    same = "<p>Ids, scopes, keys and budgets are the same in both versions: what one made, the other shows.</p>"
    until = "<p>Each answer of v1 says in Sunset when it ends. Before that it is missing for some minutes now and then, with 410 and Retry-After.</p>"
    return html.page("From v1 to v2", same + html.table(("what", "v1", "v2"), _DIFFERENCES) + until)
