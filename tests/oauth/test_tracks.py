"""What an answer of the authorization endpoint leaves behind, which decides whether it waits for the disk."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from idp.oauth.endpoints.authorize import _Visit


def visit(response_type: str, consented: bool) -> _Visit:
    asked: Any = SimpleNamespace(response_type=response_type)
    client: Any = None
    return _Visit(asked, client, (), session=None, pending=None, browser=None, consented=consented)


@pytest.mark.parametrize(
    ("response_type", "consented", "leaves_tracks"),
    [
        ("code", False, False),
        ("code", True, True),
        ("id_token", False, True),
        ("id_token token", False, True),
        ("code id_token", False, True),
        ("code token", True, True),
    ],
)
def test_only_a_code_leaves_none(response_type: str, consented: bool, leaves_tracks: bool) -> None:
    assert visit(response_type, consented).leaves_tracks is leaves_tracks
