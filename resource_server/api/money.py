"""Money: integer minor units and an ISO 4217 code; text with a decimal point only at the edge of v1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_VALUE = 2**53 - 1
_DECIMAL = re.compile(r"(0|[1-9]\d{0,15})(?:\.(\d{1,3}))?\Z")
EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR"), 2),
    **dict.fromkeys(("MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD", "ZAR"), 2),
    **dict.fromkeys(("JPY", "KRW", "CLP", "VND", "ISK"), 0),
    **dict.fromkeys(("KWD", "BHD", "JOD", "OMR", "TND"), 3),
}
"""Decimal places of each currency we take (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units, never negative; raises `ValueError` out of bounds or for a currency we do not take."""

    value: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise ValueError("this currency is not taken")
        if not 0 <= self.value <= MAX_VALUE:
            raise ValueError("the amount is out of bounds")

    @classmethod
    def parse(cls, amount: str, currency: str) -> Money:
        """From v1's decimal text, such as `12.34`; no more places than the currency has."""
        match = _DECIMAL.match(amount)
        exponent = EXPONENTS.get(currency)
        if exponent is None:
            raise ValueError("this currency is not taken")
        if match is None or not amount.isascii() or len(match.group(2) or "") > exponent:
            raise ValueError(f"an amount in {currency} is a decimal number with at most {exponent} places")
        return cls(int(match.group(1) + (match.group(2) or "").ljust(exponent, "0")), currency)

    def text(self) -> str:
        """v1's decimal text."""
        exponent = EXPONENTS[self.currency]
        if exponent == 0:
            return str(self.value)
        return f"{self.value // 10**exponent}.{self.value % 10**exponent:0{exponent}d}"

    def times(self, quantity: int) -> Money:
        return Money(self.value * quantity, self.currency)

    def plus(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError("amounts of two currencies are not added")
        return Money(self.value + other.value, self.currency)
