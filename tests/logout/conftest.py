"""A house on a database of the test's own, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.platform.secrets import MasterKey
from idp.settings_source import load
from idp.wiring import House, build
from tests.support.clocks import ManualClock
from tests.support.reused import database_url, reused_postgres

__all__ = ["database_url", "reused_postgres"]


@pytest.fixture
def house(database_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[House]:
    settings = load(
        {
            "IDP_DATABASE_URL": database_url,
            "IDP_DATA_DIR": str(tmp_path / "var"),
            "IDP_OUTBOUND_ALLOW": "127.0.0.0/8",
            "IDP_BCRYPT_COST": "4",
        }
    )
    built = build(settings, MasterKey(b"m" * 32), clock)
    yield built
    built.database.engine.dispose()
