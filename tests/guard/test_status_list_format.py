"""Status lists as they are written: the draft's examples, every size of a status, what is no list (draft-ietf-oauth-status-list-21 §4, §8.3)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from token_guard.status_list import StatusListError, read_status_list

from tests.guard.lists import packed


def read(claims: dict[str, Any], max_bytes: int = 1000) -> Any:
    return read_status_list(claims=claims, uri="u", now=1000, skew=10, max_bytes=max_bytes)


def listed(bits: Any, lst: Any, **changes: Any) -> dict[str, Any]:
    return {"sub": "u", "iat": 1000, "status_list": {"bits": bits, "lst": lst}, **changes}


def test_the_examples_of_the_draft() -> None:
    """§4.1: one bit and two bits a token."""
    one = read(listed(1, "eNrbuRgAAhcBXQ"))
    assert [one.status(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    two = read(listed(2, "eNo76fITAAPfAgc"))
    assert [two.status(index) for index in range(12)] == [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_status_has_as_many_bits_as_the_list_says(bits: int) -> None:
    octets = bytes(range(256))
    found = read(listed(bits, packed(octets)))
    number = int.from_bytes(octets, "little")
    for index in (0, 1, 7, 8, 100, 256 * 8 // bits - 1):
        assert found.status(index) == number >> index * bits & (1 << bits) - 1
    with pytest.raises(IndexError):
        found.status(256 * 8 // bits)
    changed = found.with_invalid([3, 5, 10**9])
    assert (changed.status(3), changed.status(5), changed.status(4)) == (1, 1, found.status(4))


WRONG: dict[str, dict[str, Any]] = {
    "another list": listed(1, packed(b"a"), sub="v"),
    "no subject": listed(1, packed(b"a"), sub=None),
    "no time": listed(1, packed(b"a"), iat=None),
    "from the future": listed(1, packed(b"a"), iat=2000),
    "expired": listed(1, packed(b"a"), exp=900),
    "an end that is none": listed(1, packed(b"a"), exp="never"),
    "no time to live": listed(1, packed(b"a"), ttl=0),
    "a negative time to live": listed(1, packed(b"a"), ttl=-5),
    "a text for a time to live": listed(1, packed(b"a"), ttl="15"),
    "no list": {"sub": "u", "iat": 1000},
    "a list for a list": {"sub": "u", "iat": 1000, "status_list": []},
    "three bits": listed(3, packed(b"a")),
    "true for one bit": listed(True, packed(b"a")),
    "a broken number of bits": listed(1.0, packed(b"a")),
    "a list of bits": listed([1], packed(b"a")),
    "no bits": listed(None, packed(b"a")),
    "nothing packed": listed(1, None),
    "a number packed": listed(1, 5),
    "bad letters": listed(1, "é!"),
    "not packed": listed(1, "AAAA"),
    "cut off": listed(1, packed(bytes(500))[:-6]),
    "something behind": listed(1, packed(b"a") + "AAAA"),
    "a bomb": listed(1, packed(bytes(10_000_000))),
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=list(WRONG))
def test_what_is_no_list_is_refused_whole(claims: dict[str, Any]) -> None:
    with pytest.raises(StatusListError):
        read(claims)


def test_a_million_tokens_with_one_in_a_hundred_revoked() -> None:
    """Small enough to send, and every bit at its place."""
    octets, chosen = bytearray(125_000), random.Random(1).sample(range(1_000_000), 10_000)
    for index in chosen:
        octets[index // 8] |= 1 << index % 8
    lst = packed(bytes(octets))
    assert len(lst) < 20_000
    found = read(listed(1, lst), max_bytes=125_000)
    assert sum(found.status(index) for index in chosen) == len(chosen)
    assert sum(map(int.bit_count, found.octets)) == len(chosen)
    assert found.octets == bytes(octets)
