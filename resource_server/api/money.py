"""Money: integer minor units and an ISO 4217 code; text with a decimal point only at the edge of v1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_VALUE = 2**53 - 1
_DECIMAL = re.compile(r"(0|[1-9]\d{0,15})(?:\.(\d{1,4}))?\Z")
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_TWO = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
    DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
    LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON
    RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST
    XCD YER ZAR ZMW ZWG
"""
EXPONENTS: Mapping[str, int] = {
    code: places
    for places, codes in ((0, _NONE), (2, _TWO), (3, _THREE), (4, _FOUR))
    for code in codes.split()
}  # fmt: skip
"""Decimal places of each currency that people pay in (ISO 4217)."""


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

    def document(self) -> dict[str, int | str]:
        """v2's JSON."""
        return {"value": self.value, "currency": self.currency}

    def times(self, quantity: int) -> Money:
        return Money(self.value * quantity, self.currency)

    def plus(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError("amounts of two currencies are not added")
        return Money(self.value + other.value, self.currency)
