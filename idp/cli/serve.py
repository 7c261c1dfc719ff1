"""`idp init`, `serve`, `jobs` and `prune`: what runs and what keeps it clean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from idp.cli.base import Invocation, emit, with_house
from idp.opening import initialize
from idp.settings import Settings
from idp.wiring import House
from idp.wsgi import serve as run_server


def _settings(**overrides: Any) -> Settings:
    """This invocation's settings with the options that were given on the command line."""
    invocation = click.get_current_context().ensure_object(Invocation)
    return invocation.settings(**_given(overrides))


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if value is not None}


@click.command()
def init() -> None:
    """Make the data directory, master key, database schema and first signing keys; safe to repeat."""
    settings = _settings()
    done = initialize(settings)
    emit(done, f"Ready: issuer {settings.issuer}, {done['signing_keys']} signing keys")


@click.command()
@click.option("--host", help="address to listen on")
@click.option("--port", type=click.IntRange(1, 65535), help="port to listen on")
@click.option("--workers", type=click.IntRange(1), help="worker processes")
@click.option("--no-jobs", is_flag=True, help="leave the jobs to `idp jobs` elsewhere")
def serve(host: str | None, port: int | None, workers: int | None, no_jobs: bool) -> None:
    """Run the production server."""
    options = {"host": host, "port": port, "workers": workers}
    again = click.get_current_context().ensure_object(Invocation).again(**_given(options))
    run_server(_settings(**options), again, jobs=not no_jobs)


@click.command()
@with_house
def prune(house: House) -> None:
    """Remove what has expired, in batches."""
    removed = house.prune()
    emit({"removed": removed}, f"Removed {removed} rows")
