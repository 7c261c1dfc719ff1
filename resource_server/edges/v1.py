"""What v1 calls each status of a payment, for whoever shows one."""

from __future__ import annotations

from collections.abc import Mapping

PAYMENT_STATUS: Mapping[str, str] = {
    "created": "pending",
    "requires_authentication": "pending",
    "processing": "pending",
    "authorized": "pending",
    "succeeded": "paid",
    "partially_refunded": "paid",
    "refunded": "refunded",
    "failed": "failed",
    "canceled": "failed",
    "expired": "failed",
}
