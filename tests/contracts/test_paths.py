"""Paths name things, methods say what is done with them (SERVICES 9, row 11)."""

from __future__ import annotations

import pytest

from tests.contracts.generated import operations

VERBS = frozenset(
    word
    for line in (
        "accept activate add apply approve archive authorize calculate call cancel capture change charge check clear close",
        "complete confirm create decline delete disable do enable execute fetch find fulfil generate get give hear import",
        "invite list load make mark modify move notify open patch pay perform place post process publish push put read",
        "redeliver refund register reject remove rename replace report reset restore resume retry return reverse revoke",
        "rotate run save search send set show start stop submit subscribe sync tell transfer undo update upload validate",
        "verify void",
    )
    for word in line.split()
)
ONE = frozenset({"me", "condition", "authentication"})
"""What is one of its kind, so that it is not in the plural."""
SEGMENTS = sorted(
    {
        segment
        for found in operations().values()
        for operation in found
        for segment in operation.path.strip("/").split("/")
        if not segment.startswith("<") and segment != operation.version
    }
)


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_segment_is_the_plural_of_a_noun_in_lower_case(segment: str) -> None:
    words = segment.split("-")
    assert not VERBS.intersection(words)
    assert segment == segment.lower()
    assert segment in ONE or words[-1].endswith("s")


def test_the_lint_sees_verbs_wherever_they_are() -> None:
    assert {"payments", "refunds", "users"} <= set(SEGMENTS)
    assert {"create", "cancel", "capture", "refund"} <= VERBS
