"""Logs and metrics: JSON lines on stderr, and counters that workers keep in memory and the main process adds up.

A worker counts in plain dictionaries and writes them to its file once a second; a scrape reads the files of all workers, so a request pays
for an addition and nothing more.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

REFUSED = "idp.refused"
"""Where the environment of a request says by which of our error codes it was refused, so that this is counted, too."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_HIDDEN = frozenset(
    {"password", "client_secret", "refresh_token", "access_token", "id_token", "code", "cookie", "secret"}
)


def configure(level: str) -> None:
    """Send structlog and the standard library's records to stderr as JSON lines in UTC."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of names that could carry a secret."""
    for name in _HIDDEN.intersection(event):
        event[name] = "[hidden]"
    return event


class Metrics:
    """Counters of one process. `write` puts them where a scrape finds them; without a folder they stay here."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / f"{os.getpid()}.json" if folder else None
        self._lock = Lock()
        self._requests: dict[str, list[float]] = {}
        self._refusals: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._written = False

    def observe_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one request and its duration."""
        key = f"{endpoint}|{status}"
        with self._lock:
            row = self._requests.get(key)
            if row is None:
                row = self._requests[key] = [0.0] * (len(BUCKETS) + 2)
            row[bisect_left(BUCKETS, seconds)] += 1
            row[-1] += seconds
            self._written = False

    def count_refusal(self, endpoint: str, code: str) -> None:
        """Count one refused request by the error code, of which there are only so many, whatever is asked for."""
        key = f"{endpoint}|{code}"
        with self._lock:
            self._refusals[key] = self._refusals.get(key, 0) + 1

    def count(self, name: str, label: str = "") -> None:
        """Count one event, such as a token issued (`label`: which grant)."""
        key = f"{name}|{label}"
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1
            self._written = False

    def snapshot(self) -> dict[str, Any]:
        with self._lock:
            return {
                "requests": {key: list(row) for key, row in self._requests.items()},
                "refusals": dict(self._refusals),
                "counts": dict(self._counts),
            }

    def write(self) -> None:
        """Replace this process's file, if something was counted since; a reader sees the old or the new one."""
        if self._file is None or self._written:
            return
        self._written = True  # before the look at it: what is counted meanwhile is written next time
        draft = self._file.with_suffix(".tmp")
        draft.write_text(json.dumps(self.snapshot()), "utf-8")
        draft.replace(self._file)


class _Sum(Collector):
    """What all processes counted, as Prometheus families."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        snapshots = list(self._snapshots())
        yield from _request_family(snapshots)
        yield from _refusal_family(snapshots)
        yield from _count_families(snapshots)

    def _snapshots(self) -> Iterator[Mapping[str, Any]]:
        for file in self._folder.glob("*.json"):
            yield json.loads(file.read_text("utf-8"))


def _request_family(snapshots: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    rows: dict[str, list[float]] = {}
    for snapshot in snapshots:
        for key, row in snapshot["requests"].items():
            rows[key] = [one + other for one, other in zip(rows.get(key, [0.0] * len(row)), row, strict=True)]
    family = HistogramMetricFamily(
        "idp_request_seconds", "Requests by endpoint and status", labels=["endpoint", "status"]
    )
    for key, row in rows.items():
        total, buckets = 0.0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], row[:-1], strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(key.rsplit("|", 1), buckets, row[-1])
    yield family


def _refusal_family(snapshots: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    totals = Counter[str]()
    for snapshot in snapshots:
        totals.update(snapshot["refusals"])
    family = CounterMetricFamily(
        "idp_refused", "Refused requests by endpoint and error code", labels=["endpoint", "error"]
    )
    for key, count in totals.items():
        family.add_metric(key.rsplit("|", 1), count)
    yield family


def _count_families(snapshots: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    totals: dict[str, dict[str, int]] = {}
    for snapshot in snapshots:
        for key, count in snapshot["counts"].items():
            name, _, label = key.partition("|")
            labels = totals.setdefault(name, {})
            labels[label] = labels.get(label, 0) + count
    for name, labels in totals.items():
        family = CounterMetricFamily(f"idp_{name}", f"How often: {name.replace('_', ' ')}", labels=["kind"])
        for label, count in labels.items():
            family.add_metric([label], count)
        yield family


def serve_metrics(port: int, folder: Path) -> tuple[WSGIServer, Thread]:
    """Answer `/metrics` on loopback; the caller shuts the server down."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sum(folder))
    return start_http_server(port, "127.0.0.1", registry)
