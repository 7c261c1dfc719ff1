"""The permission matrix as it was agreed (SERVICES 3), by operation: customer, support, finance, admin, service, and on a person's behalf.

`-` none, `o` own, `m` all but masked, `a` all; `d`: a service does it for a person whose token it exchanged, `-`: it does not.
"""

from __future__ import annotations

COLUMNS = ("customer", "support", "finance", "admin", "service", "delegated")
TABLE = {
    "GET /v1/users/me": "ooooo d",
    "GET /v1/users/<user_id>": "oa-a- d",
    "GET /v2/users": "-a-a- -",
    "GET /v2/users/me": "ooooo d",
    "GET /v2/users/<user_id>": "oa-a- d",
    "PATCH /v2/users/<user_id>": "o--a- -",
    "POST /v1/orders": "o--ao -",
    "GET /v1/orders": "oaaao d",
    "GET /v1/orders/<order_id>": "oaaao d",
    "POST /v2/orders": "o--ao -",
    "GET /v2/orders": "oaaao d",
    "GET /v2/orders/<order_id>": "oaaao d",
    "PATCH /v2/orders/<order_id>": "o--ao -",
    "GET /v2/orders/<order_id>/transitions": "oaaao d",
    "GET /v2/orders/<order_id>/checkouts": "oaaao d",
    "POST /v2/orders/<order_id>/checkouts": "o---o -",
    "POST /v2/orders/<order_id>/cancellations": "oa-ao -",
    "GET /v2/operations/<prefixed(oop):operation_id>": "oaaao d",
    "POST /v1/payments": "o---o d",
    "GET /v1/payments": "omaao d",
    "GET /v1/payments/<payment_id>": "omaao d",
    "POST /v2/payments": "o---o d",
    "GET /v2/payments": "omaao d",
    "GET /v2/payments/<payment_id>": "omaao d",
    "GET /v2/payments/<payment_id>/transitions": "omaao d",
    "GET /v2/operations/<operation_id>": "omaao d",
    "POST /v2/payments/<payment_id>/captures": "--a-- -",
    "POST /v2/payments/<payment_id>/cancellations": "o-a-- -",
    "GET /v2/payments/<payment_id>/refunds": "omaao d",
    "POST /v2/payments/<payment_id>/refunds": "-aaa- -",
    "POST /v2/payments/<payment_id>/refunds/<refund_id>/approvals": "--aa- -",
    "POST /v2/payments/<payment_id>/refunds/<refund_id>/rejections": "--aa- -",
    "GET /v2/condition": "--aa- -",
    "GET /v2/dead-letters": "--aa- -",
    "POST /v2/dead-letters/<job_id>/replays": "--aa- -",
    "POST /v2/webhook-endpoints": "---ao -",
    "GET /v2/webhook-endpoints": "---ao -",
    "GET /v2/webhook-endpoints/<endpoint_id>": "---ao -",
    "PATCH /v2/webhook-endpoints/<endpoint_id>": "---ao -",
    "DELETE /v2/webhook-endpoints/<endpoint_id>": "---ao -",
    "POST /v2/webhook-endpoints/<endpoint_id>/secrets": "---ao -",
    "GET /v2/events": "---ao -",
    "POST /v2/events/<event_id>/redeliveries": "---ao -",
}
