"""The services beside their identity provider, in the ways of this room."""

from __future__ import annotations

import pytest

from tests.resource_server.apis import Apis
from tests.resource_server.conftest import running
from tests.resource_server.ways import Houses, ways

__all__ = ["running"]


@pytest.fixture(scope="package", params=ways("matrix"))
def apis(request: pytest.FixtureRequest, running: Houses) -> Apis:
    """Everything running, each side on a database of its own."""
    return running.at(request.param, request)
