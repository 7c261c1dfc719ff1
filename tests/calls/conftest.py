"""A running service, as others ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.calls.both import Both, open_both


@pytest.fixture(scope="package")
def both(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with open_both(tmp_path_factory.mktemp("rpc"), redis_url) as opened:
        yield opened
