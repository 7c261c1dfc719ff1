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


RFC_4648 = {
    b"": "",
    b"f": "Zg",
    b"fo": "Zm8",
    b"foo": "Zm9v",
    b"foob": "Zm9vYg",
    b"fooba": "Zm9vYmE",
    b"foobar": "Zm9vYmFy",
}
RFC_7515 = {bytes([3, 236, 255, 224, 193]): "A-z_4ME"}
RFC_7515_HEADER = {b'{"typ":"JWT",\r\n "alg":"HS256"}': "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"}


@pytest.mark.parametrize(("raw", "text"), [*RFC_4648.items(), *RFC_7515.items(), *RFC_7515_HEADER.items()])
def test_the_examples_of_the_specifications(raw: bytes, text: str) -> None:
    """RFC 4648 §10 without its padding, RFC 7515 Appendices C and A.1.1."""
    assert (base64url.encode(raw).decode(), base64url.decode(text)) == (text, raw)


@pytest.mark.parametrize("text", ["Zg==", "Zh", "Zm9", "Zm8=", "Zm9vYmF", "A+z/4ME", "A-z_4MF", "A-z_4ME=", "A-z_ 4ME"])
def test_the_examples_in_another_spelling_are_refused(text: str) -> None:
    """RFC 4648 §3.3 (foreign characters), §3.5 (bits left over), §5 (the other alphabet); RFC 7515 §2 (no padding)."""
    with pytest.raises(ValueError):
        base64url.decode(text)


@pytest.mark.parametrize("text", ["QQ==", "QR", "QUJ", "Q", "+_", "a/b=", "Q Q", "QQ\n", "é", "\ud800", "QUI.", "=QQ"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        base64url.decode(text)
