"""Counters that workers keep in memory and write to a file each second; the main process, which serves no requests, adds them up at a scrape."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics:
    """What one process counted and last measured, by name and labels; without a folder it stays here."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / f"{os.getpid()}.json" if folder else None
        self._lock = Lock()
        self._counts: dict[str, float] = {}
        self._gauges: dict[str, float] = {}

    def count(self, name: str, **labels: str) -> None:
        """One more of `rs_NAME_total`. Labels have few values: never an id that strangers choose."""
        key = _key(name, labels)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def measure(self, name: str, value: float, **labels: str) -> None:
        """`rs_NAME` is this now; of several workers the largest is shown."""
        with self._lock:
            self._gauges[_key(name, labels)] = value

    def snapshot(self) -> dict[str, dict[str, float]]:
        with self._lock:
            return {"counts": dict(self._counts), "gauges": dict(self._gauges)}

    def write(self) -> None:
        """Replace this process's file; a reader sees the old or the new one."""
        if self._file is not None:
            draft = self._file.with_suffix(".tmp")
            draft.write_text(json.dumps(self.snapshot()), "utf-8")
            draft.replace(self._file)


class _Sum(Collector):
    """What all processes counted, as Prometheus families."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        counts: dict[str, float] = {}
        gauges: dict[str, float] = {}
        for file in self._folder.glob("*.json"):
            snapshot = json.loads(file.read_text("utf-8"))
            for key, value in snapshot["counts"].items():
                counts[key] = counts.get(key, 0) + value
            for key, value in snapshot["gauges"].items():
                gauges[key] = max(gauges.get(key, value), value)
        return [*_families(CounterMetricFamily, counts), *_families(GaugeMetricFamily, gauges)]


def _families(kind: Any, values: Mapping[str, float]) -> list[Metric]:
    families: dict[str, Any] = {}
    for key, value in sorted(values.items()):
        name, labels = json.loads(key)
        if name not in families:
            families[name] = kind(f"rs_{name}", name.replace("_", " "), labels=list(labels))
        families[name].add_metric(list(labels.values()), value)
    return list(families.values())


def _key(name: str, labels: Mapping[str, str]) -> str:
    return json.dumps([name, dict(sorted(labels.items()))])


def serve_metrics(port: int, folder: Path) -> tuple[WSGIServer, Thread]:
    """Answer `/metrics` on loopback; the caller shuts the server down."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sum(folder))
    return start_http_server(port, "127.0.0.1", registry)
