"""What one module logs: a log of the test's own, since the program's remembers where another test had it written to."""

from __future__ import annotations

import io
from types import ModuleType

import pytest
import structlog


def recorded(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> io.StringIO:
    """Where the module's `log` writes JSON lines of every level from now on."""
    written = io.StringIO()
    render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    everything = structlog.make_filtering_bound_logger(0)
    own = structlog.wrap_logger(structlog.PrintLogger(written), processors=render, wrapper_class=everything)
    monkeypatch.setattr(module, "log", own)
    return written
