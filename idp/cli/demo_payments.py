"""The demo's type of authorization details: one payment of exactly one sum, asked for when somebody pays (RFC 9396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPE = "payment_initiation"
NAME = "A payment"
WORDS = "Pay {instructed_amount:money}, exactly this and once"
MAXIMUM = "instructed_amount.value"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"const": TYPE},
        "actions": {"const": ["create"]},
        "locations": {"type": "array", "items": {"type": "string"}},
        "instructed_amount": {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": 1},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            },
            "required": ["value", "currency"],
            "additionalProperties": False,
        },
        "order": {"type": "string", "pattern": "^ord_[a-v0-9]{26}$"},
    },
    "required": ["type", "actions", "instructed_amount"],
    "additionalProperties": False,
}
"""Amounts are integers in minor units, as the payments API keeps them."""
