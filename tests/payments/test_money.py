"""Money: whole minor units, the places of each currency, text and back without a loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_server.api.money import EXPONENTS, MAX_VALUE, Money


@given(st.integers(0, MAX_VALUE), st.sampled_from(sorted(EXPONENTS)))
def test_text_and_back_is_the_same_money(value: int, currency: str) -> None:
    money = Money(value, currency)
    text = money.text()
    assert Money.parse(text, currency) == money
    assert len(text.partition(".")[2]) == EXPONENTS[currency]


@pytest.mark.parametrize(
    ("text", "currency", "value"),
    [
        ("12.34", "EUR", 1234),
        ("12", "EUR", 1200),
        ("12.3", "USD", 1230),
        ("5", "JPY", 5),
        ("0.001", "KWD", 1),
        ("1.2345", "CLF", 12345),
        ("9007199254740991", "JPY", MAX_VALUE),
    ],
)
def test_each_currency_has_its_own_places(text: str, currency: str, value: int) -> None:
    assert Money.parse(text, currency).value == value


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("5.0", "JPY"),
        ("1.234", "EUR"),
        ("1.2345", "KWD"),
        ("01", "EUR"),
        ("1.", "EUR"),
        (".5", "EUR"),
        ("-1", "EUR"),
        ("+1", "EUR"),
        ("1e3", "EUR"),
        ("1,5", "EUR"),
        (" 1", "EUR"),
        ("1\n", "EUR"),
        ("", "EUR"),
        ("١", "EUR"),
        ("9007199254740992", "JPY"),
        ("90071992547409.92", "EUR"),
        ("1", "XXX"),
        ("1", "eur"),
        ("NaN", "EUR"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|currency"):
        Money.parse(text, currency)


def test_two_currencies_are_not_added_and_sums_stay_in_bounds() -> None:
    with pytest.raises(ValueError, match="two currencies"):
        Money(1, "EUR").plus(Money(1, "USD"))
    with pytest.raises(ValueError, match="bounds"):
        Money(MAX_VALUE, "EUR").plus(Money(1, "EUR"))
    with pytest.raises(ValueError, match="bounds"):
        Money(MAX_VALUE, "EUR").times(2)
