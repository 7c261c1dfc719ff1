"""Details are narrowed at the token endpoint, at every refresh and at an exchange, and never the other way (RFC 9396 §6)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError
from idp.oauth.details.narrowing import is_within, narrowed
from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.payments import Payer, details, payment
from tests.delegation.support import USERS, Service
from tests.oauth.support import many
from tests.support.flows import Browser, claims

MAXIMUM = (("instructed_amount", "value"),)
LISTS = {"actions": ["create", "cancel"], "locations": [API, USERS]}
GRANTED = payment(100, **LISTS)
WITHIN = {
    "the same": GRANTED,
    "less": payment(99, **LISTS),
    "one action less": {**GRANTED, "actions": ["create"]},
    "one location less": {**GRANTED, "locations": [API]},
}
BEYOND = {
    "more": payment(101, **LISTS),
    "another currency": {**GRANTED, "instructed_amount": {"value": 100, "currency": "USD"}},
    "another creditor": {**GRANTED, "creditor": "Eve"},
    "no creditor": payment(100, creditor=None, **LISTS),
    "no actions": payment(100, **{**LISTS, "actions": None}),
    "no locations": payment(100, **{**LISTS, "locations": None}),
}


@pytest.mark.parametrize("asked", WITHIN.values(), ids=WITHIN.keys())
def test_a_code_is_redeemed_for_less(payer: Payer, browser: Browser, person: str, asked: dict[str, Any]) -> None:
    given_ = {"scope": "openid read", "authorization_details": details(GRANTED, payment(7))}
    answer, verifier = payer.login(browser, person, **given_)
    tokens = payer.redeem(answer["code"], verifier, authorization_details=details(asked)).json()
    assert tokens["authorization_details"] == [asked]
    assert claims(tokens["access_token"])["authorization_details"] == [asked]


@pytest.mark.parametrize("asked", BEYOND.values(), ids=BEYOND.keys())
def test_a_code_is_not_redeemed_for_anything_else(
    payer: Payer, browser: Browser, person: str, asked: dict[str, Any]
) -> None:
    given_ = {"scope": "openid read", "authorization_details": details(GRANTED, payment(7))}
    answer, verifier = payer.login(browser, person, **given_)
    for sent in (details(asked), details(payment(7), asked)):
        refused = payer.redeem(answer["code"], verifier, authorization_details=sent)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")


def test_no_granted_entry_is_used_twice(payer: Payer, browser: Browser, person: str) -> None:
    given_ = {"scope": "openid read", "authorization_details": details(payment(100), payment(60))}
    answer, verifier = payer.login(browser, person, **given_)
    for sent in ((payment(100), payment(100)), (payment(70), payment(70)), (payment(1), payment(1), payment(1))):
        refused = payer.redeem(answer["code"], verifier, authorization_details=details(*sent))
        assert refused.json()["error"] == "invalid_authorization_details"
    tokens = payer.redeem(answer["code"], verifier, authorization_details=details(payment(60), payment(70))).json()
    assert tokens["authorization_details"] == [payment(60), payment(70)]


def test_a_refresh_narrows_its_own_token_and_not_the_grant(payer: Payer, browser: Browser, person: str) -> None:
    tokens = payer.granted(browser, person, payment(100), payment(60))
    narrow = payer.refresh(tokens["refresh_token"], authorization_details=details(payment(10))).json()
    assert narrow["authorization_details"] == [payment(10)]
    whole = payer.refresh(narrow["refresh_token"]).json()
    assert whole["authorization_details"] == [payment(100), payment(60)]


def test_a_replayed_refresh_that_asks_for_other_details_is_refused(payer: Payer, browser: Browser, person: str) -> None:
    tokens = payer.granted(browser, person, payment(100))
    first = payer.refresh(tokens["refresh_token"], authorization_details=details(payment(10)))
    again = payer.refresh(tokens["refresh_token"], authorization_details=details(payment(10)))
    assert again.content == first.content
    for other in (details(payment(11)), None):
        refused = payer.refresh(tokens["refresh_token"], authorization_details=other)
        assert refused.json()["error"] == "invalid_grant"
    assert payer.refresh(first.json()["refresh_token"]).status_code == 200


def test_an_exchange_narrows_too_and_gives_nothing_back(
    payer: Payer, orders: Service, new_service: NewService, browser: Browser, person: str
) -> None:
    there = [API, USERS]
    tokens = payer.granted(browser, person, payment(100, locations=there), payment(60, locations=there), payment(5))
    asked = payment(30, locations=there)
    once = orders.exchanged(tokens["access_token"], authorization_details=details(asked))
    assert once["authorization_details"] == [asked]
    for sent in (payment(101, locations=there), payment(5), payment(30, locations=[API])):
        refused = orders.exchange(tokens["access_token"], authorization_details=details(sent))
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    other = new_service("--scope", "read")
    back = other.exchange(once["token"], authorization_details=details(payment(31, locations=there)))
    assert (back.status_code, back.json()["error"]) == (400, "invalid_authorization_details")
    assert other.exchanged(once["token"])["authorization_details"] == [asked]


# -- the rule itself --------------------------------------------------------------------------------------------------

plain = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["a", "b"])
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)
entries = st.fixed_dictionaries(
    {
        "type": st.just("t"),
        "instructed_amount": st.fixed_dictionaries({"value": st.integers(1, 9), "currency": st.sampled_from("EU")}),
    },
    optional={"actions": st.lists(st.sampled_from("abc"), min_size=1, max_size=3), "x": values},
)


def lowered(entry: dict[str, Any], amount: int) -> dict[str, Any]:
    changed = copy.deepcopy(entry)
    changed["instructed_amount"]["value"] = amount
    return changed


@many
@given(entries, st.integers(1, 12))
def test_an_amount_is_lowered_and_never_raised(entry: dict[str, Any], amount: int) -> None:
    had = entry["instructed_amount"]["value"]
    assert is_within(lowered(entry, amount), entry, MAXIMUM) is (amount <= had)
    assert is_within(lowered(entry, amount), entry, ()) is (amount == had), "where no maximum is declared it is equal"


@many
@given(entries, entries, entries)
def test_within_is_a_partial_order(one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]) -> None:
    assert is_within(one, one, MAXIMUM)
    if is_within(one, two, MAXIMUM) and is_within(two, three, MAXIMUM):
        assert is_within(one, three, MAXIMUM)


@many
@given(st.lists(entries, max_size=4), st.lists(entries, min_size=1, max_size=4))
def test_no_sum_ever_grows(granted: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
    try:
        assert narrowed(granted, asked, lambda _: MAXIMUM) == tuple(asked)
    except ProtocolError as error:
        assert error.code == "invalid_authorization_details"
        return
    assert len(asked) <= len(granted)
    sums = [sum(entry["instructed_amount"]["value"] for entry in some) for some in (asked, granted)]
    assert sums[0] <= sums[1]


@many
@given(st.lists(entries, min_size=1, max_size=5), st.data())
def test_any_part_of_what_was_granted_may_be_had_in_any_order(
    granted: list[dict[str, Any]], data: st.DataObject
) -> None:
    part = data.draw(st.permutations(granted))[: data.draw(st.integers(1, len(granted)))]
    asked = [lowered(entry, data.draw(st.integers(1, entry["instructed_amount"]["value"]))) for entry in part]
    assert narrowed(granted, asked, lambda _: MAXIMUM) == tuple(asked)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), (None, False), ("1", 1), ([], {}), ("", None)]
)
def test_values_that_only_look_alike_are_different(one: Any, other: Any) -> None:
    assert not is_within({"x": one}, {"x": other}, ())
    assert not is_within({"x": other}, {"x": one}, ())
