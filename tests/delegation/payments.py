"""A type of authorization details, `payment_initiation`, and an app that asks for payments (RFC 9396)."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import API
from tests.support.flows import App

PAYMENT = "payment_initiation"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"const": PAYMENT},
        "actions": {"type": "array", "items": {"enum": ["create", "cancel"]}},
        "locations": {"type": "array"},
        "instructed_amount": {
            "type": "object",
            "properties": {"value": {"type": "integer", "minimum": 1}, "currency": {"pattern": "^[A-Z]{3}$"}},
            "required": ["value", "currency"],
            "additionalProperties": False,
        },
        "creditor": {"type": "string"},
    },
    "required": ["type", "instructed_amount"],
    "additionalProperties": False,
}
WORDS = "Pay {instructed_amount:money} to {creditor}, once"


def payment(value: Any = 1234, **members: Any) -> dict[str, Any]:
    """One entry; a member that is None is left out."""
    amount = {"value": value, "currency": "EUR"}
    entry = {"type": PAYMENT, "actions": ["create"], "locations": [API], "instructed_amount": amount, "creditor": "Bob"}
    return {name: member for name, member in {**entry, **members}.items() if member is not None}


def details(*entries: Any) -> str:
    """The parameter."""
    return json.dumps(entries)


class Payer(App):
    """An app that asks for payments."""

    def granted(self, browser: Any, person: str, *entries: Any, **parameters: Any) -> dict[str, Any]:
        """The token response of a whole login that asked for these entries."""
        asked = {"scope": "openid read offline_access", "authorization_details": details(*entries), **parameters}
        return self.tokens(browser, person, **asked)
