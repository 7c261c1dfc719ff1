"""`idp jobs`: the job runner alone."""

from __future__ import annotations

import signal
import threading

import click
import structlog

from idp.background import Background
from idp.cli.base import Invocation
from idp.opening import open_house
from idp.platform import telemetry
from lifespan import hear_signals

log = structlog.get_logger("idp.jobs")


@click.command()
def jobs() -> None:
    """Run the job runner alone, until SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    settings = click.get_current_context().ensure_object(Invocation).settings()
    telemetry.configure(settings.log_level)
    with open_house(settings) as house:
        hear_signals()
        with Background(house, jobs=True, metrics=None):
            log.info("job runner started")
            stopping.wait()
