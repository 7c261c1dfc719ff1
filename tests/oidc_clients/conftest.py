"""What these tests share: a web site whose documents the identity provider fetches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.published import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running
