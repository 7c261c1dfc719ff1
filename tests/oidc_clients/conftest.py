"""What these tests share: an identity provider where everybody may register, and a web site whose documents it fetches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.support import databases
from tests.support.published import Site
from tests.support.running import RunningIdp


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture(scope="session", params=databases.KINDS)
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A running identity provider with open registration of `oidc` clients and one person, `alice`; once on each database."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"registration": "open", "registration_profile": "oidc", "registration_max": "100000"}
        running = stack.enter_context(RunningIdp(tmp_path_factory.mktemp("registry"), url, **settings))
        running.user("alice", "--email-verified", "--claim", "given_name=Alice")
        yield running
