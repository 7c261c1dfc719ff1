"""The fixtures of people."""

from __future__ import annotations

import pytest

from idp.platform.db import Database
from tests.support.clocks import ManualClock
from tests.support.reused import database_url, reused_postgres
from tests.users.support import Town

__all__ = ["database_url", "reused_postgres", "town"]


@pytest.fixture
def town(database: Database, clock: ManualClock) -> Town:
    return Town(database, clock)
