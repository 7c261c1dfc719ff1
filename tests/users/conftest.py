"""The fixtures of people."""

from __future__ import annotations

import pytest

from idp.platform.db import Database
from tests.support.clocks import ManualClock
from tests.users.support import Town


@pytest.fixture
def town(database: Database, clock: ManualClock) -> Town:
    return Town(database, clock)
