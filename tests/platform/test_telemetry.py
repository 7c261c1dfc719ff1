"""Logs without secrets, and counters of many processes that add up."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests
import structlog

from idp.platform import telemetry
from idp.platform.telemetry import Metrics, serve_metrics
from tests.support.ports import free_port


@pytest.fixture(autouse=True)
def logging_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def test_a_line_is_one_json_document_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    structlog.get_logger("t").info("started", name="Ä\nb")
    logging.getLogger("library").warning("careful: %s", "x\ny")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("started", "info"), ("careful: x\ny", "warning")]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["name"] == "Ä\nb"


def test_what_could_carry_a_secret_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    names = ("password", "client_secret", "refresh_token", "access_token", "id_token", "code", "cookie", "secret")
    structlog.get_logger("t").warning("refused", user="alice", **dict.fromkeys(names, "hunter2"))
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert json.loads(line)["user"] == "alice"


def test_less_than_the_level_is_silent_and_a_failure_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    structlog.get_logger("t").debug("details")
    logging.getLogger("library").info("chatter")
    try:
        raise ValueError("reason")
    except ValueError:
        structlog.get_logger("t").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: reason" in json.loads(line)["exception"]


def test_the_level_must_be_one() -> None:
    with pytest.raises(KeyError):
        telemetry.configure("loud")


# -- metrics ----------------------------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path) -> Iterator[Callable[[], dict[str, float]]]:
    """What a scrape of the counters in this folder finds."""
    port = free_port()
    server, thread = serve_metrics(port, folder)

    def scrape() -> dict[str, float]:
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    try:
        yield scrape
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def scraped(folder: Path) -> dict[str, float]:
    with served(folder) as scrape:
        return scrape()


def test_counters_of_threads_and_processes_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in (1001, 1002):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        metrics = Metrics(tmp_path)
        with ThreadPoolExecutor(8) as pool:
            for _ in range(300):
                pool.submit(metrics.count, "tokens_issued", "refresh_token")
                pool.submit(metrics.observe_request, "/oauth/token", 200, 0.004)
                pool.submit(metrics.count_refusal, "/oauth/token", "invalid_grant")
        metrics.write()
    values = scraped(tmp_path)
    assert values['idp_tokens_issued_total{kind="refresh_token"}'] == 600
    assert values['idp_request_seconds_count{endpoint="/oauth/token",status="200"}'] == 600
    assert values['idp_refused_total{endpoint="/oauth/token",error="invalid_grant"}'] == 600
    assert values['idp_request_seconds_sum{endpoint="/oauth/token",status="200"}'] == pytest.approx(2.4)


def test_a_request_falls_into_every_bucket_above_its_duration(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for seconds in (0.0005, 0.001, 0.0011, 4.9, 100.0):
        metrics.observe_request("/x|y", 503, seconds)
    metrics.write()
    values = scraped(tmp_path)
    name = 'idp_request_seconds_bucket{endpoint="/x|y",le="%s",status="503"}'
    counts = {bound: values[name % bound] for bound in ("0.001", "0.0025", "2.5", "5.0", "+Inf")}
    assert counts == {"0.001": 2, "0.0025": 3, "2.5": 3, "5.0": 4, "+Inf": 5}


def test_nothing_counted_is_an_answer_too(tmp_path: Path) -> None:
    assert scraped(tmp_path) == {}
    Metrics(tmp_path).write()
    assert scraped(tmp_path) == {}


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = Metrics()
    metrics.count("x")
    metrics.write()
    assert metrics.snapshot()["counts"] == {"x|": 1}
    assert list(tmp_path.iterdir()) == []


def _counted_and_written(metrics: Metrics) -> None:
    metrics.count("x", "label 0")
    metrics.write()


def test_what_was_written_is_written_again_only_with_something_new(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.write()
    (file,) = tmp_path.iterdir()
    file.unlink()
    metrics.write()
    assert not file.exists()
    metrics.observe_request("/x", 200, 0.1)
    metrics.write()
    assert file.exists()
    file.unlink()
    metrics.count("x")
    metrics.write()
    assert file.exists()


def test_a_scrape_while_counters_are_written_never_sees_half(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for number in range(200):
        metrics.count("x", f"label {number}")
    metrics.write()
    with served(tmp_path) as scrape, ThreadPoolExecutor(1) as pool:
        stop = Event()
        writing = pool.submit(lambda: [_counted_and_written(metrics) for _ in iter(stop.is_set, True)])
        counts = {len(scrape()) for _ in range(40)}
        stop.set()
    assert counts == {200}
    assert len(writing.result()) > 40
