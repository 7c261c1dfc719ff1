"""What strangers send: read strictly, bounded, and refused with a standard error, never with another exception."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError
from idp.platform.forms import (
    FORM,
    MAX_BODY,
    MAX_FIELDS,
    MAX_JSON_DEPTH,
    Form,
    decode_component,
    decode_pairs,
    parse_form,
    parse_json,
    parse_query,
)
from idp.platform.http import Call
from idp.platform.web import read_body


class Body:
    """What a server hands over as the input: it knows how much was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[int] = []

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        return self.content[:size]


def call(body: bytes = b"", query: bytes = b"", content_type: str | None = FORM) -> Call:
    headers = {} if content_type is None else {"content-type": content_type}
    return Call("POST", "/", query, headers, body, "127.0.0.1", "id")


def refused(body: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as raised:
        parse_form(call(body))
    error = raised.value
    assert (error.code, error.status) == ("invalid_request", 400)
    assert error.description.isascii()
    assert not set(error.description) & set('"\\')
    return error


FORMS: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b"a=1", {"a": "1"}),
    (b"a=1&b=2", {"a": "1", "b": "2"}),
    (b"&&a=1&&", {"a": "1"}),
    (b"a=", {}),
    (b"a", {}),
    (b"a=b=c", {"a": "b=c"}),
    (b"a=x+y%20z", {"a": "x y z"}),
    (b"a=%2B%26%3D%25", {"a": "+&=%"}),
    (b"%61=1", {"a": "1"}),
    (b"a=%C3%A4%F0%9F%98%80", {"a": "ä😀"}),
    ("a=ä".encode(), {"a": "ä"}),
    (b"a=%zz%", {"a": "%zz%"}),
    (b"a=1;b=2", {"a": "1;b=2"}),
    (b"a=%0D%0A%09", {"a": "\r\n\t"}),
]


@pytest.mark.parametrize(("raw", "expected"), FORMS)
def test_a_form_is_read_by_the_rules_of_the_url_standard(raw: bytes, expected: dict[str, str]) -> None:
    assert dict(parse_form(call(raw))) == expected
    assert dict(parse_query(call(query=raw, content_type=None))) == expected


@pytest.mark.parametrize(
    "raw", [b"a=1&a=2", b"a=1&a=1", b"a=&a=1", b"a=1&a", b"a=&a=", b"a=1&%61=2", b"scope=x&code=1&scope=y"]
)
def test_a_repeated_parameter_is_refused_however_it_is_written(raw: bytes) -> None:
    refused(raw)
    with pytest.raises(ProtocolError):
        parse_query(call(query=raw))


def test_what_may_repeat_keeps_its_order_and_stands_apart() -> None:
    form = parse_form(call(b"resource=b&x=1&resource=a&resource="), repeatable=frozenset({"resource"}))
    assert form.all("resource") == ("b", "a")
    assert dict(form) == {"x": "1"}
    assert form.all("other") == ()


@pytest.mark.parametrize("code", [*range(9), 11, 12, *range(14, 32), 127])
def test_a_control_character_is_refused(code: int) -> None:
    refused(b"a=x%%%02x" % code)
    refused(b"x%%%02x=1" % code)
    refused(b"a=" + bytes([code]))


@pytest.mark.parametrize("raw", [b"\xff", b"%ff", b"%C3", b"%C0%80", b"%ED%A0%80", b"%F5%80%80%80", b"\xc3%28"])
def test_what_is_not_utf_8_is_refused(raw: bytes) -> None:
    refused(b"a=" + raw)
    refused(raw + b"=a")


def test_there_may_be_so_many_parameters_and_no_more() -> None:
    fields = [b"f%d=1" % number for number in range(MAX_FIELDS)]
    assert len(parse_form(call(b"&".join(fields)))) == MAX_FIELDS
    refused(b"&".join([*fields, b"more=1"]))
    refused(b"&" * MAX_FIELDS)


@pytest.mark.parametrize(
    "media_type",
    [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x", FORM + "x", f"text/plain, {FORM}"],
)
def test_another_media_type_is_refused(media_type: str | None) -> None:
    with pytest.raises(ProtocolError) as raised:
        parse_form(call(b"a=1", content_type=media_type))
    assert raised.value.code == "invalid_request"


@pytest.mark.parametrize("media_type", [FORM, FORM.upper(), FORM + ";charset=UTF-8", f" {FORM} ; charset=utf-8"])
def test_the_media_type_may_have_parameters_and_any_case(media_type: str) -> None:
    assert dict(parse_form(call(b"a=1", content_type=media_type))) == {"a": "1"}


def test_a_missing_parameter_is_named() -> None:
    form = Form([("a", "1"), ("b", "")])
    assert form.require("a") == "1"
    for name in ("b", "c"):
        with pytest.raises(ProtocolError) as raised:
            form.require(name)
        assert name in raised.value.description


@given(st.dictionaries(st.text("abcä ?&=+%", min_size=1), st.text("xyzö &=+%\n", min_size=1), max_size=8))
def test_what_a_browser_writes_is_read_back(fields: dict[str, str]) -> None:
    assert dict(parse_form(call(urlencode(fields).encode()))) == fields


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reader(raw: bytes) -> None:
    try:
        for name, value in decode_pairs(raw):
            assert decode_component(quote_plus(name).encode()) == name
            (name + value).encode()
    except ProtocolError as error:
        assert error.code == "invalid_request"


# -- sizes ------------------------------------------------------------------------------------------------------------


def read(content: bytes, **environ: str) -> tuple[bytes | None, Body]:
    body = Body(content)
    return read_body({"wsgi.input": body, **environ}), body


def test_a_body_is_read_up_to_its_announced_length() -> None:
    assert read(b"abcdef", CONTENT_LENGTH="3")[0] == b"abc"
    assert read(b"x" * MAX_BODY, CONTENT_LENGTH=str(MAX_BODY))[0] == b"x" * MAX_BODY


def test_a_body_that_is_too_large_is_not_read_at_all() -> None:
    body, source = read(b"x" * (MAX_BODY + 1), CONTENT_LENGTH=str(MAX_BODY + 1))
    assert (body, source.asked) == (None, [])


@pytest.mark.parametrize("length", ["x", "1.5", "0x10", "1 2", "-1"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    assert read(b"abc", CONTENT_LENGTH=length)[0] is None


def test_a_chunked_body_is_bounded_too() -> None:
    assert read(b"abc", HTTP_TRANSFER_ENCODING="Chunked")[0] == b"abc"
    body, source = read(b"x" * 10 * MAX_BODY, HTTP_TRANSFER_ENCODING="chunked")
    assert (body, source.asked) == (None, [MAX_BODY + 1])
    assert read(b"abc")[0] == b"", "without a length there is no body"


# -- JSON -------------------------------------------------------------------------------------------------------------

BAD_JSON: list[bytes] = [
    b"",
    b"{",
    b"nothing",
    b"NaN",
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b'{"a":1e999}',
    b"[-1e999]",
    b'{"a":1,"a":1}',
    b'{"x":{"a":1,"a":2}}',
    b'{"a":1,"\\u0061":2}',
    b'"\\ud800"',
    b'{"\\udc00":1}',
    b"\xff",
    b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1),
    b'{"a":' * 100_000,
    b"[" * 100_000,
    b"9" * 5000,
    b"1 2",
    b"{'a':1}",
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("raw", BAD_JSON, ids=lambda raw: repr(raw[:20]))
def test_json_that_is_ambiguous_endless_or_none_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as raised:
        parse_json(raw)
    assert raised.value.code == "invalid_request"


def test_json_is_read_to_the_depth_that_is_allowed() -> None:
    deepest = b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH
    assert json.dumps(parse_json(deepest)) == deepest.decode()
    brackets = json.dumps({"a": "[" * 1000, '\\"[': '{"' * 100})
    assert parse_json(brackets) == json.loads(brackets)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_document_is_read_back(document: Any) -> None:
    assert parse_json(json.dumps(document)) == document


@given(st.text(max_size=100) | st.text('{}[]",:0123456789.eE-+\\u dtrufalsn', max_size=40))
def test_no_text_at_all_breaks_the_reader_of_json(text: str) -> None:
    try:
        json.dumps(parse_json(text), allow_nan=False, ensure_ascii=False).encode()
    except ProtocolError as error:
        assert error.code == "invalid_request"
