"""The compressed array of statuses, judged by the vectors of the specification (draft-ietf-oauth-status-list-21 §4.1, appendix C)."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Mapping

import pytest

from idp.settings import Settings
from idp.tokens.status_list import LONGEST_LIFE, SIZE, StatusArray, scattered

MILLION = 1_000_000
SIXTEEN = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
TWELVE = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
LONG_1 = (
    "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAA"
    "APwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb"
)
LONG_2 = (
    "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAA"
    "AAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81g"
    "AQw"
)
PLACES = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)


def listed(*statuses: int) -> Mapping[int, int]:
    return dict(enumerate(statuses))


@pytest.mark.parametrize(
    ("bits", "lst", "size", "statuses"),
    [
        (1, "eNrbuRgAAhcBXQ", 16, listed(*SIXTEEN)),
        (2, "eNo76fITAAPfAgc", 12, listed(*TWELVE)),
        (1, LONG_1, 2**20, dict.fromkeys(PLACES, 1)),
        (2, LONG_2, 2**20, dict(zip(PLACES, (1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3), strict=True))),
    ],
    ids=["16 of 1 bit", "12 of 2 bits", "a million of 1 bit", "a million of 2 bits"],
)
def test_the_vectors_of_the_specification(bits: int, lst: str, size: int, statuses: Mapping[int, int]) -> None:
    found = StatusArray.decoded(lst, bits)
    assert {index: found[index] for index in statuses} == statuses
    assert [found[index] for index in range(size) if index not in statuses] == [0] * (size - len(statuses))
    made = StatusArray.sized(size, bits)
    for index, status in statuses.items():
        made[index] = status
    assert raw(made) == raw(found)


def raw(array: StatusArray) -> bytes:
    lst = array.encoded()
    assert "=" not in lst
    return zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_each_status_has_its_own_bits(bits: int) -> None:
    made, most = StatusArray.sized(100, bits), (1 << bits) - 1
    for index in range(100):
        made[index] = index % (most + 1)
    made[50] = most
    made[50] = 0
    assert [made[index] for index in range(100)] == [0 if index == 50 else index % (most + 1) for index in range(100)]


@pytest.mark.parametrize("bits", [0, 3, 16])
def test_another_number_of_bits_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        StatusArray.sized(8, bits)


def test_revoking_leaves_the_list_it_started_from_as_it_was() -> None:
    before = StatusArray.sized(SIZE)
    after = before.invalidated([3, SIZE - 1])
    assert (before[3], after[3], after[4], after[SIZE - 1]) == (0, 1, 0, 1)


def test_a_million_entries_with_one_in_a_hundred_revoked_take_less_than_20_kilobytes() -> None:
    chosen = random.Random(7).sample(range(MILLION), MILLION // 100)
    assert len(StatusArray.sized(MILLION).invalidated(chosen).encoded()) < 20_000


@pytest.mark.parametrize(("stride", "shift"), [(1, 0), (131_071, 131_071), (77_777, 12_345)])
def test_positions_are_scattered_without_meeting(stride: int, shift: int) -> None:
    assert {scattered(position, stride, shift) for position in range(SIZE)} == set(range(SIZE))


def test_no_token_can_live_longer_than_its_list() -> None:
    """The bound of resources is this very constant."""
    (bound,) = [limit.le for limit in Settings.model_fields["access_token_ttl"].metadata if hasattr(limit, "le")]
    assert bound <= LONGEST_LIFE
