"""The finer points of keeping keys: refresh ahead, throttling, a slow issuer, snapshots, forks, and what is told about it."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey
from token_guard import Guard, GuardError, IssuerTrust, JwksPolicy
from token_guard.checks import Check
from token_guard.fetch import Fetched, FetchError

from tests.guard.issuer import METADATA, Issuer, running, send
from tests.guard.lists import eventually
from tests.guard.minting import AUDIENCE, EC, ISSUER, jwks, token
from tests.guard.test_jwks_cache import EAGER, FAULTS, good, guard, refusal
from tests.support.clocks import ManualClock

NEW = ECKey.generate_key("P-256", {"kid": "new", "alg": "ES256", "use": "sig"})
PATIENCE = 20


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


class Timed:
    """A guard whose time is moved by hand, and the keys it is given."""

    def __init__(self, **policy: Any) -> None:
        self.clock = ManualClock()
        self.keys: bytes | None = jwks(EC)
        self.max_age: float | None = 300
        self.fetches = 0
        trust = IssuerTrust(ISSUER, AUDIENCE, policy=JwksPolicy(**policy))
        self.guard = Guard(trust, fetch=self._fetch, now=self.clock.now)

    def _fetch(self, _trust: IssuerTrust) -> Fetched:
        self.fetches += 1
        if self.keys is None:
            raise FetchError("away")
        return Fetched(self.keys, self.max_age)

    def token(self, key: Any = EC, **changes: Any) -> str:
        now = self.clock.now()
        return token(key=key, **{"iat": now - 1, "exp": now + 300, **changes})

    def is_refused(self, presented: str) -> GuardError | None:
        try:
            self.guard.validate(presented)
        except GuardError as error:
            return error
        return None


@pytest.mark.parametrize(
    ("max_age", "fresh"), [(None, 300), (10, 60), (300, 300), (86_400, 3600)], ids=["unsaid", "low", "said", "high"]
)
def test_keys_are_fetched_ahead_of_their_end_in_the_background(max_age: float | None, fresh: int) -> None:
    timed = Timed()
    timed.max_age = max_age
    assert timed.guard.validate(timed.token())
    timed.clock.advance(int(fresh * 0.7))
    assert timed.guard.validate(timed.token())
    assert timed.fetches == 1
    timed.keys = jwks(EC, NEW)
    timed.clock.advance(int(fresh * 0.15))
    assert timed.guard.validate(timed.token()), "the old keys serve while the new ones are fetched"
    eventually(lambda: timed.guard.validate(timed.token(NEW)).subject == "person-1")
    assert timed.fetches == 2


def test_keys_that_outlived_their_time_serve_for_a_day_and_are_said_to_be_stale() -> None:
    timed = Timed()
    assert timed.guard.validate(timed.token())
    timed.keys = None
    for hours in (1, 12, 10):
        timed.clock.advance(hours * 3600)
        assert timed.guard.validate(timed.token())
        assert not timed.guard.keys()[ISSUER].fresh
    eventually(lambda: timed.guard.keys()[ISSUER].failures > 0)
    timed.clock.advance(2 * 3600)
    error = timed.is_refused(timed.token())
    assert error is not None
    assert (error.status, error.check) == (503, Check.KEYS_AWAY)


def test_what_is_unknown_is_asked_for_once_in_a_while_and_the_wait_is_told() -> None:
    timed = Timed()
    assert timed.guard.validate(timed.token())
    first = timed.is_refused(timed.token(NEW, iat=timed.clock.now() + 5))
    assert first is not None
    assert (first.status, first.headers()["Retry-After"]) == (503, "31")
    timed.clock.advance(20)
    assert timed.is_refused(timed.token(NEW, iat=timed.clock.now() - 15)) is not None
    assert timed.fetches == 2
    timed.keys = jwks(EC, NEW)
    timed.clock.advance(11)
    assert timed.is_refused(timed.token(NEW)) is None
    assert timed.fetches == 3


def test_an_issuer_that_drips_headers_is_left_in_time(issuer: Issuer) -> None:
    def drip_headers(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.is_set():
                handler.wfile.write(b"a")
                over.wait(0.05)
        except OSError:
            pass

    over = threading.Event()
    issuer.behave = drip_headers
    guarding, begin = guard(issuer, connect_timeout=2.0, total_timeout=0.5), time.monotonic()
    assert refusal(guarding, good(issuer)).status == 503
    assert time.monotonic() - begin < 10
    over.set()


def test_a_good_request_does_not_wait_for_a_slow_refresh(issuer: Issuer) -> None:
    guarding = guard(issuer, min_fresh=0.0, max_fresh=0.0, connect_timeout=PATIENCE, total_timeout=PATIENCE)
    assert guarding.validate(good(issuer))
    answered = threading.Event()
    issuer.behave = lambda handler: (answered.wait(PATIENCE), issuer.send_keys(handler))[1]
    begin = time.monotonic()
    for _ in range(20):
        assert guarding.validate(good(issuer))
    assert time.monotonic() - begin < PATIENCE, "not one of them waited"
    answered.set()


def test_openid_metadata_does_where_there_is_no_other(issuer: Issuer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/.well-known/openid-configuration":
            send(handler, 200, json.dumps({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}).encode())
        elif handler.path == "/jwks":
            issuer.send_keys(handler)
        else:
            send(handler, 404)

    issuer.answer = answer  # type: ignore[method-assign]  # this issuer has no other metadata
    assert guard(issuer).validate(good(issuer))


METADATA_FAULTS: dict[str, bytes] = {
    "not JSON": b"<html>",
    "a list": b"[]",
    "no keys": b'{"issuer": "%s"}',
    "keys in the open": b'{"issuer": "%s", "jwks_uri": "http://keys.test/jwks"}',
    "keys in a file": b'{"issuer": "%s", "jwks_uri": "file:///etc/passwd"}',
    "a number": b'{"issuer": "%s", "jwks_uri": 5}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", METADATA_FAULTS.values(), ids=list(METADATA_FAULTS))
def test_metadata_that_leads_nowhere_is_an_outage(issuer: Issuer, body: bytes) -> None:
    usual = issuer.answer

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == METADATA:
            return send(handler, 200, body.replace(b"%s", issuer.url.encode()))
        return usual(handler)

    issuer.answer = answer  # type: ignore[method-assign]  # this issuer's metadata is broken
    guarding = guard(issuer)
    assert refusal(guarding, good(issuer)).status == 503
    issuer.answer = usual  # type: ignore[method-assign]  # and mended
    assert guarding.validate(good(issuer))


def test_a_snapshot_serves_the_issuer_it_is_of_and_nobody_else_may_write_it(issuer: Issuer, tmp_path: Path) -> None:
    snapshot = tmp_path / "jwks.json"
    assert guard(issuer, snapshot=snapshot).validate(good(issuer))
    issuer.behave = FAULTS["503"]
    trust = IssuerTrust("https://id.test", AUDIENCE, policy=JwksPolicy(**EAGER, snapshot=snapshot))
    stranger = Guard(trust, fetch=lambda _trust: Fetched(b""))
    assert refusal(stranger, token()).status == 503
    snapshot.chmod(0o622)
    assert refusal(guard(issuer, snapshot=snapshot), good(issuer)).status == 503
    snapshot.chmod(0o600)
    assert guard(issuer, snapshot=snapshot).validate(good(issuer))
    assert [path.name for path in tmp_path.iterdir()] == ["jwks.json"]


def test_a_snapshot_that_cannot_be_written_is_no_harm(issuer: Issuer, tmp_path: Path) -> None:
    assert guard(issuer, snapshot=tmp_path / "nowhere" / "jwks.json").validate(good(issuer))


def test_a_child_has_keys_and_fetches_for_itself_even_when_it_was_born_in_a_flight(issuer: Issuer) -> None:
    guarding = guard(issuer)
    assert guarding.validate(good(issuer))
    flying, land = threading.Event(), threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        flying.set()
        land.wait(PATIENCE)
        issuer.send_keys(handler)

    issuer.behave = hold
    presented = good(issuer, NEW)
    waiting = threading.Thread(target=_subject, args=(guarding, presented), daemon=True)
    waiting.start()
    assert flying.wait(PATIENCE)
    issuer.keys, issuer.behave = jwks(EC, NEW), issuer.send_keys
    child = os.fork()
    if child == 0:
        os._exit(0 if _subject(guarding, presented) == "person-1" else 1)
    deadline = time.monotonic() + PATIENCE
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
        time.sleep(0.01)
    land.set()
    waiting.join(PATIENCE)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


def _subject(guarding: Guard, presented: str) -> str:
    try:
        return guarding.validate(presented).subject
    except BaseException:
        return ""


def test_an_outage_is_told(caplog: pytest.LogCaptureFixture) -> None:
    timed = Timed()
    timed.keys = None
    with caplog.at_level(logging.WARNING, "token_guard"):
        assert timed.is_refused(timed.token()) is not None
    assert [record.getMessage() for record in caplog.records] == [
        f"the keys of {ISSUER} cannot be fetched (away): there are none"
    ]
    state = timed.guard.keys()[ISSUER]
    assert (state.age, state.fetches, state.failures) == (None, 1, 1)


def test_a_fetch_of_the_apps_own_may_raise_anything() -> None:
    def broken(_trust: IssuerTrust) -> Fetched:
        raise KeyError("a fault of the app")

    error = refusal(Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=broken), token())
    assert (error.status, error.check) == (503, Check.KEYS_AWAY)


def test_a_revoked_key_is_refused_after_a_pause_by_whoever_bounds_the_age_of_keys() -> None:
    """Nobody told this API, and nobody called it since: the first request waits for the keys as they are now."""
    timed = Timed(max_age=60)
    assert timed.guard.validate(timed.token())
    timed.keys = jwks(NEW)
    timed.clock.advance(59)
    assert timed.guard.keys()[ISSUER].age == 59
    timed.clock.advance(1)
    error = timed.is_refused(timed.token())
    assert error is not None
    assert (error.status, error.check) == (401, Check.KEY)


def test_bounded_keys_are_renewed_ahead_and_survive_an_issuer_that_is_away() -> None:
    timed = Timed(max_age=60)
    assert timed.guard.validate(timed.token())
    timed.clock.advance(52)
    assert timed.guard.validate(timed.token())
    eventually(lambda: timed.fetches == 2)
    timed.keys = None
    for _ in range(5):
        timed.clock.advance(100)
        assert timed.guard.validate(timed.token()), "who cannot know better goes on"
    timed.keys = jwks(EC)

    def is_fresh_again() -> bool:
        timed.clock.advance(2)
        return bool(timed.guard.validate(timed.token())) and timed.guard.keys()[ISSUER].fresh

    eventually(is_fresh_again)
