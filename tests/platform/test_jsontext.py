"""JSON as it leaves us."""

from __future__ import annotations

import json
from typing import Any

import pytest

from idp.platform.jsontext import compact


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"iss": "https://id.example.com", "exp": 1, "amr": ["pwd"], "nested": {"x": None, "y": True, "z": 1.5}},
        {"name": "Zoë ☕ 𝄞", "quote": '"\\\n\u0001'},
        {"large": 2**53, "larger": 2**64 - 1, "largest": 2**200, "negative": -(2**63)},
    ],
)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert json.loads(compact(document)) == document


def test_there_is_no_white_space_and_members_keep_their_order() -> None:
    assert compact({"b": [1, 2], "a": {"c": "d"}}) == b'{"b":[1,2],"a":{"c":"d"}}'


def test_text_is_utf_8() -> None:
    assert compact({"name": "Zoë"}) == '{"name":"Zoë"}'.encode()
