"""Around the whole application: the request's id, trace and deadline, and one JSON line a request; the query string is never logged."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from resource_server.api import tracing
from resource_server.platform import deadlines, traces

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Edge:
    """`logged`: whether each request is a line on stderr."""

    def __init__(self, application: WsgiApp, *, logged: bool) -> None:
        self._application = application
        self._logged = logged

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = time.perf_counter()
        trace = tracing.begin(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            line = {
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "level": "info",
                "event": "request",
                "method": environ["REQUEST_METHOD"],
                "path": environ.get("PATH_INFO", ""),
                "status": int(status[:3]),
                "ms": round((time.perf_counter() - started) * 1000, 2),
                "request_id": tracing.request_id(environ),
                "trace_id": trace.trace_id,
            }
            sys.stderr.write(json.dumps(line, separators=(",", ":")) + "\n")
            return start_response(status, headers, exc_info)

        with traces.within(trace), deadlines.within(_seconds(environ)):
            return self._application(environ, start if self._logged else start_response)


def _seconds(environ: Mapping[str, Any]) -> float | None:
    """How long the caller waits; None where they say nothing, or nothing sound, which is refused inside."""
    try:
        return deadlines.parsed(environ["HTTP_REQUEST_TIMEOUT"])
    except (KeyError, ValueError):
        return None
