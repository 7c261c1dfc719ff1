"""base64url: every value has one spelling, and nothing else is read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.platform import base64url


@given(st.binary(max_size=200))
def test_what_is_written_is_read_back_and_written_as_others_write_it(raw: bytes) -> None:
    text = base64url.encode(raw).decode()
    assert text == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert base64url.decode(text) == raw


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_no_two_texts_are_the_same_bytes(text: str) -> None:
    try:
        raw = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(raw).decode() == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "QUJ", "Q", "+_", "a/b=", "Q Q", "QQ\n", "é", "\ud800", "QUI.", "=QQ"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        base64url.decode(text)
