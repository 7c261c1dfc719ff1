"""Logs: JSON lines on stderr, in UTC; what the guard has to say comes among them."""

from __future__ import annotations

import logging
import sys

import structlog

from resource_server.platform import traces


def configure_logs(level: str) -> None:
    """Log from this level on."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            traces.into_log,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    guards = logging.getLogger("token_guard")
    guards.handlers, guards.propagate = [_Bridge()], False
    guards.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))  # refusals are lines of our own


class _Bridge(logging.Handler):
    """Hands a record of the library to our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        getattr(structlog.get_logger("rs.guard"), record.levelname.lower())(record.getMessage())
