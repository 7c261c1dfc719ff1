"""The standard claims: which can be set, what fits, and what is said when there is nothing to say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import Refused
from idp.users.claims import STORED, check, claim_values
from idp.users.people import Person

GOOD: dict[str, list[Any]] = {
    "name": ["Ada Lovelace", "日本 太郎", "x" * 512],
    "gender": ["female"],
    "profile": ["https://example.com/ada", "http://example.com"],
    "birthdate": ["1815-12-10", "0000-12-10", "1815"],
    "zoneinfo": ["Europe/London", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+1"],
    "locale": ["en", "en-GB", "en_GB", "zh-Hant-TW"],
    "phone_number": ["+1 (425) 555-1212", "+1 (604) 555-1234;ext=5678", "+442079460000"],
    "phone_number_verified": [True, False],
    "address": [{"country": "DE"}, {"formatted": "1 Street\nTown", "postal_code": "12345"}],
}
BAD: dict[str, list[Any]] = {
    "name": ["", "x" * 513, "a\nb", "a\x00", "\ud800", 5, True, None, ["x"], {}],
    "profile": ["x", "javascript:alert(1)", "data:text/html,x", "https://", "//example.com", "file:///etc/passwd", 1],
    "birthdate": ["10.12.1815", "1815-13-01", "1815-12-32", "1815-12", "1815-12-10\n", "15-12-10", "0000-00-10"],
    "zoneinfo": ["Europe/", "/Europe", "Europe London", "", "../etc/passwd", "1"],
    "locale": ["e", "en-", "en GB", "english language", "-en"],
    "phone_number": ["0441234567", "+", "+1", "tel:+1 425", "+1 425 555 1212\n", "+x", 442079460000],
    "phone_number_verified": ["true", 1, 0, None],
    "address": [
        "1 Street",
        {},
        {"street": "x"},
        {"country": 1},
        {"country": ""},
        {"country": "\x00"},
        {"region": "\ud800"},
        [],
    ],
}


def fits(name: str, value: object) -> bool:
    try:
        check({name: value})
    except Refused as refused:
        assert refused.code == "claim"
        return False
    return True


def person(**changes: Any) -> Person:
    values: dict[str, Any] = {
        "sub": "the-sub",
        "username": "ada",
        "email": "ada@example.com",
        "email_verified": True,
        "roles": ("reader",),
        "claims": {"name": "Ada", "phone_number": "+442079460000", "phone_number_verified": True},
        "disabled": False,
        "created_at": 1,
        "updated_at": 2,
        "version": 1,
    }
    return Person(**{**values, **changes})


@pytest.mark.parametrize("name", GOOD)
def test_values_that_fit_are_accepted_as_they_are(name: str) -> None:
    for value in GOOD[name]:
        assert check({name: value}) == {name: value}


@pytest.mark.parametrize("name", BAD)
def test_values_that_do_not_fit_are_refused(name: str) -> None:
    assert [value for value in BAD[name] if fits(name, value)] == []


@pytest.mark.parametrize(
    "name",
    ["sub", "email", "email_verified", "preferred_username", "updated_at", "roles", "iss", "aud", "", "x" * 1000],
)
def test_a_claim_that_is_derived_or_unknown_cannot_be_set(name: str) -> None:
    assert not fits(name, "x")


@given(
    st.dictionaries(
        st.sampled_from(sorted(STORED)),
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=[])) | st.lists(st.text()),
    )
)
def test_whatever_is_accepted_can_be_written_in_utf_8(claims: dict[str, Any]) -> None:
    try:
        accepted = check(claims)
    except Refused:
        return
    json.dumps(accepted, ensure_ascii=False).encode()


def test_what_is_asked_for_is_said_and_nothing_else() -> None:
    assert claim_values(person(), ["sub", "name", "email", "email_verified"]) == {
        "sub": "the-sub",
        "name": "Ada",
        "email": "ada@example.com",
        "email_verified": True,
    }
    assert claim_values(person(), ["preferred_username", "updated_at", "roles"]) == {
        "preferred_username": "ada",
        "updated_at": 2,
        "roles": ["reader"],
    }
    assert claim_values(person(), ["password", "disabled", "version", "unknown"]) == {}


def test_what_there_is_not_is_left_out_and_never_null() -> None:
    asked = ["email", "email_verified", "name", "phone_number", "phone_number_verified", "birthdate"]
    assert claim_values(person(email=None, claims={}), asked) == {}
    assert claim_values(person(claims={"phone_number_verified": True}), ["phone_number_verified"]) == {}


def test_an_unverified_address_is_said_to_be_unverified() -> None:
    assert claim_values(person(email_verified=False), ["email_verified"]) == {"email_verified": False}
