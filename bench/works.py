"""What is measured, one function a figure or a few that belong together."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import quote

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bench import load, processes
from bench.load import Measured, Repeat
from bench.peer import Peer
from bench.scripts import CodeFlows, Refreshes
from bench.subject import API, CALLBACK, Api, Subject, wait_until
from tests.support.ports import free_port

TOKEN = "/oauth/token"
SERVICE_FORM = "grant_type=client_credentials&scope=read"
Figures = dict[str, float]


def raw_signatures(seconds: float) -> float:
    """ES256 signatures a second of both cores at once: the yardstick of this machine."""
    with ProcessPoolExecutor(2) as pool:
        return sum(pool.map(_sign_for, [seconds] * 2))


def _sign_for(seconds: float) -> float:
    key, algorithm, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256()), b"x" * 300
    count, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        for _ in range(100):
            key.sign(message, algorithm)
        count += 100
    return count / spent


def service_tokens(subject: Subject) -> Repeat:
    return Repeat(load.post(TOKEN, SERVICE_FORM, subject.basic(subject.service)))


def peer_service_tokens(peer: Peer) -> Repeat:
    return Repeat(load.post("/token", SERVICE_FORM, peer.service))


def interleaved(
    ours: Callable[[], Measured], theirs: Callable[[], Measured] | None, rounds: int
) -> tuple[Measured, Measured | None]:
    """A B A B: the run with the median rate of each."""
    mine, other = [], []
    for _ in range(rounds):
        mine.append(ours())
        if theirs is not None:
            other.append(theirs())
    return _median(mine), _median(other) if other else None


def _median(runs: list[Measured]) -> Measured:
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


def code_flows(subject: Subject) -> CodeFlows:
    browser = subject.logged_in()
    path, verifier = subject.authorize_path()
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)
    return CodeFlows(path, cookies, TOKEN, subject.basic(subject.web), quote(CALLBACK, safe=""), verifier)


def flows_with_cpu(
    address: tuple[str, int], pid: int, flows: CodeFlows, seconds: float, connections: int
) -> tuple[Measured, float]:
    """Code flows, and the server's CPU milliseconds a flow."""
    load.run(address, lambda _number: flows, seconds=0.5, warm_up=0.5, connections=connections)
    before = processes.cpu_seconds(pid)
    measured = load.run(address, lambda _number: flows, seconds=seconds, warm_up=0, connections=connections)
    return measured, (processes.cpu_seconds(pid) - before) / measured.units * 1000


def refreshes(subject: Subject, seconds: float) -> Measured:
    browser = subject.logged_in()
    tokens = [subject.refresh_token(browser) for _ in range(load.CONNECTIONS)]
    authorization = subject.basic(subject.web)
    return load.run(subject.address, lambda number: Refreshes(TOKEN, authorization, tokens[number]), seconds=seconds)


def introspections(subject: Subject, seconds: float) -> Measured:
    request = load.post("/oauth/introspect", f"token={subject.service_token()}", subject.basic(subject.service))
    return load.run(subject.address, lambda _number: Repeat(request), seconds=seconds)


def protected_calls(subject: Subject, seconds: float) -> dict[str, Measured]:
    """The same view guarded locally, locally with the cache, and by introspection at each call."""
    found = {}
    for guard in ("local", "cached", "asking"):
        with Api(subject, guard) as api:
            assert api.call(subject.service_token()).status_code == 200
            assert api.call("x").status_code == 401
            request = load.get("/things", f"Authorization: Bearer {subject.service_token()}")
            address = ("127.0.0.1", api.port)
            found[guard] = load.run(address, lambda _number, sent=request: Repeat(sent), seconds=seconds)
    return found


def cold_start(subject: Subject, rounds: int) -> float:
    """Seconds from the command to the first token, everything on disk already."""
    found = []
    for _ in range(rounds):
        subject.idp.stop()
        found.append(subject.start())
    return statistics.median(found)


def memory(folder: Path, workers: int, requests_before: int) -> Figures:
    """Megabytes of the whole process tree at start and after so many requests."""
    with Subject(folder, workers=workers, bcrypt_cost="4") as subject:
        start = processes.pss_megabytes(subject.pid)
        load.run(subject.address, lambda _number: service_tokens(subject), warm_up=0, units=requests_before)
        return {"at start": start, "after load": processes.pss_megabytes(subject.pid)}


def growth(subject: Subject, warm_up: int, tokens: int) -> float:
    """By how much the resident memory grew over so many tokens, as a share."""
    script = service_tokens(subject)
    load.run(subject.address, lambda _number: script, warm_up=0, units=warm_up)
    before = processes.rss_megabytes(subject.pid)
    load.run(subject.address, lambda _number: script, warm_up=0, units=tokens)
    return processes.rss_megabytes(subject.pid) / before - 1


def promises(subject: Subject) -> Figures:
    """Seconds until what CONTRACT promises within two is so, on a second node that had the old state in its caches."""
    other = subject.idp.node(workers=2, metrics_port=str(free_port()))
    made = subject.idp.client(grant_types=["client_credentials"], audience=[API])
    basic = (made["client_id"], made["client_secret"])

    def refused() -> bool:
        form = {"grant_type": "client_credentials"}
        answers = [requests.post(f"{other}{TOKEN}", data=form, auth=basic, timeout=10) for _ in range(4)]
        return all(answer.status_code == 401 for answer in answers)

    assert not refused()
    subject.idp.cli("client", "disable", made["client_id"])
    disabled = wait_until(refused)
    keys = {key["kid"] for key in requests.get(f"{other}/oauth/jwks", timeout=10).json()["keys"]}
    subject.idp.cli("keys", "rotate", "--alg", "ES256", "--now")

    def published() -> bool:
        answers = [requests.get(f"{other}/oauth/jwks", timeout=10).json()["keys"] for _ in range(4)]
        return all({key["kid"] for key in answer} > keys for answer in answers)

    return {"a disabled client is refused everywhere": disabled, "a rotated key is published": wait_until(published)}
