"""What a login costs beside its hash, and what it costs those who only want tokens."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import requests

from bench import load
from bench.subject import Subject
from bench.works import service_tokens
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD

CROWD = 200
_CONNECTIONS = 8
_MANY: dict[str, Any] = {
    "hash_queue": str(CROWD),
    "login_max_failures": "10000",
    "login_max_failures_per_address": "10000",
}


def beside_the_hash(subject: Subject, logins: int) -> float:
    """Milliseconds of the answer to a right password, less those of its hash; medians, one login after the other, in a known browser."""
    browser, spent = Browser(subject.idp.url), []
    for _ in range(logins + 1):
        page = _form(browser)
        begin = time.perf_counter()
        _post(browser, page)
        spent.append(time.perf_counter() - begin)
    return (statistics.median(spent[1:]) - _hash(int(subject.idp.environ["IDP_BCRYPT_COST"]))) * 1000


def tokens_meanwhile(folder: Path, seconds: float, rounds: int) -> dict[str, float]:
    """p95 of token requests on their own, and while so many logins run in parallel; how many of these were right.

    Medians, each round with a new server: how few connections fall to its two workers differs each time, and with it the p95.
    """
    found = [_one_round(folder / str(number), seconds) for number in range(rounds)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _one_round(folder: Path, seconds: float) -> dict[str, float]:
    with Subject(folder, bcrypt_cost="12", **_MANY) as subject, ThreadPoolExecutor(CROWD) as crowd:
        ready = [(browser := Browser(subject.idp.url), _form(browser)) for _ in range(CROWD)]
        alone = _tokens(subject, seconds)
        running = [crowd.submit(_post, browser, page) for browser, page in ready]
        beside = _tokens(subject, seconds)
        still = _unfinished(running)
        right = [one.result() for one in running].count(303)
    figures = {"tokens p95 ms, alone": alone, f"tokens p95 ms, beside {CROWD} logins": beside}
    return {**figures, "logins still running then": still, "logins that were right": right}


def _tokens(subject: Subject, seconds: float) -> float:
    script = service_tokens(subject)
    return load.run(subject.address, lambda _number: script, seconds=seconds, connections=_CONNECTIONS).p95


def _unfinished(running: Sequence[Future[int]]) -> int:
    return sum(not one.done() for one in running)


def _form(browser: Browser) -> Page:
    return Page(browser.open(f"{browser.home}/login"))


def _post(browser: Browser, page: Page) -> int:
    """The status of the answer to the right password."""
    form = page.forms["login"]
    data = {**form.fields, "username": "alice", "password": PASSWORD}
    answer: requests.Response = browser.http.post(form.action, data=data, allow_redirects=False, timeout=300)
    return answer.status_code


def _hash(cost: int) -> float:
    salt, spent = bcrypt.gensalt(cost), []
    for _ in range(9):
        begin = time.perf_counter()
        bcrypt.hashpw(b"x" * 44, salt)
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent)
