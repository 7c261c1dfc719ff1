"""What authorization details say in words: templates filled in, money as people write it, and everything listed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oauth.details import words
from tests.oauth.support import many


def text(template: str, entry: dict[str, Any]) -> str:
    return "".join(piece.text for piece in words.sentence(template, entry))


@pytest.mark.parametrize(
    ("template", "entry", "sentence"),
    [
        ("Pay {creditor}", {"creditor": "Bob"}, "Pay Bob"),
        ("{a.b.c}", {"a": {"b": {"c": 7}}}, "7"),
        ("{actions}", {"actions": ["read", "write"]}, "read, write"),
        ("{all}", {"all": {"x": 1, "y": [True, None]}}, "1, yes, nothing"),
        ("{flag}", {"flag": False}, "no"),
        ("{ratio}", {"ratio": 0.5}, "0.5"),
        ("{missing}", {}, "(not said)"),
        ("{a.b}", {"a": "text"}, "(not said)"),
        ("{a.b}", {"a": None}, "(not said)"),
        ("Nothing to fill in", {}, "Nothing to fill in"),
        ("{a}{b}", {"a": "{b}", "b": "2"}, "{b}2"),
    ],
)
def test_a_place_holds_the_value_it_names(template: str, entry: dict[str, Any], sentence: str) -> None:
    assert text(template, entry) == sentence


@pytest.mark.parametrize(
    ("money", "said"),
    [
        ({"value": 1234, "currency": "EUR"}, "12.34 EUR"),
        ({"value": 5, "currency": "EUR"}, "0.05 EUR"),
        ({"value": 0, "currency": "USD"}, "0.00 USD"),
        ({"value": -150, "currency": "USD"}, "-1.50 USD"),
        ({"value": 1234, "currency": "JPY"}, "1234 JPY"),
        ({"value": 1234, "currency": "KWD"}, "1.234 KWD"),
        ({"value": 2**53 - 1, "currency": "EUR"}, "90071992547409.91 EUR"),
        ({"value": "12", "currency": "EUR"}, "12, EUR"),
        ({"value": True, "currency": "EUR"}, "yes, EUR"),
        ({"amount": "12.34", "currency": "EUR"}, "12.34, EUR"),
        ("12.34 EUR", "12.34 EUR"),
        (None, "(not said)"),
    ],
)
def test_money_is_said_as_people_write_it(money: Any, said: str) -> None:
    assert text("{m:money}", {"m": money}) == said


def test_what_the_client_sent_is_told_apart_from_what_the_type_says() -> None:
    pieces = words.sentence("Pay {amount} to {creditor}.", {"amount": "1", "creditor": "Bob"})
    assert [(piece.text, piece.by_client) for piece in pieces] == [
        ("Pay ", False),
        ("1", True),
        (" to ", False),
        ("Bob", True),
        (".", False),
    ]


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{",
        "}",
        "{}",
        "{a",
        "a}",
        "{a b}",
        "{a.}",
        "{.a}",
        "{a:euro}",
        "{{a}}",
        "{a!r}",
        "{a[0]}",
        "x\ny",
        "x" * 1001,
    ],
)
def test_a_template_that_cannot_be_filled_in_is_none(template: str) -> None:
    assert words.fault(template)


@pytest.mark.parametrize("template", ["Pay", "{a}", "Pay {a.b_c}, {d:money} & more", "x" * 1000])
def test_a_template_that_can(template: str) -> None:
    assert words.fault(template) is None


def test_every_member_is_listed_by_its_path() -> None:
    entry = {
        "type": "t",
        "actions": ["a", "b"],
        "amount": {"value": 1, "currency": "EUR"},
        "to": [{"name": "Bob"}, {"name": "Eve", "x": []}],
        "empty": {},
    }
    assert words.listing(entry) == (
        ("actions", "a, b"),
        ("amount.value", "1"),
        ("amount.currency", "EUR"),
        ("to 1.name", "Bob"),
        ("to 2.name", "Eve"),
        ("to 2.x", "nothing"),
        ("empty", "nothing"),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@many
@given(
    st.dictionaries(st.sampled_from(["a", "b", "m"]), json_values), st.sampled_from(["{a}", "{m:money}", "{a.b} {b}"])
)
def test_any_details_can_be_said(entry: dict[str, Any], template: str) -> None:
    assert words.said({**entry, "type": "t"}, "Title", template).sentence
    assert all(isinstance(value, str) for _, value in words.listing(entry))
