"""Initialized identity providers for the command line: one that only commands touch, and one whose servers run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running import RunningIdp


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> RunningIdp:
    """A data directory with keys and a database; no server runs."""
    made = RunningIdp(tmp_path_factory.mktemp("home"))
    made.cli("init")
    return made


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """Two server processes on one database."""
    with RunningIdp(tmp_path_factory.mktemp("served")) as running:
        running.node()
        yield running
