"""Letting go of connections when their credentials change: those of before end, those that follow are kept as ever."""

from __future__ import annotations

import time

import sqlalchemy as sa

from setting_sources.pools import retire

WITHIN = 30


def backend(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def left(engine: sa.Engine, backends: set[int]) -> int:
    """How many of these are connected."""
    query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:pids)")
    with engine.connect() as connection:
        return int(connection.execute(query, {"pids": list(backends)}).scalar_one())


def test_idle_connections_end_at_once_and_those_in_use_with_what_they_do(postgres_server: str) -> None:
    engine = sa.create_engine(postgres_server, pool_size=2)
    with engine.connect() as used:
        with engine.connect() as idle:
            ended = {backend(used), backend(idle)}
        retire(engine)
        assert backend(used) in ended, "it does its work"
    with engine.connect() as first:
        follower = backend(first)
        assert follower not in ended
    with engine.connect() as second:
        assert backend(second) == follower, "kept for the next one, not opened anew each time"
    deadline = time.monotonic() + WITHIN
    while left(engine, ended):
        assert time.monotonic() < deadline, "connections of before are left"
        time.sleep(0.02)
    engine.dispose()
