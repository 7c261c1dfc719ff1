"""Callers who wait for so long and no longer, at an issuer that does not answer: they leave, the others get what is fetched, nobody is blamed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

import pytest
from token_guard import Check, Guard, GuardError, Introspection, IssuerTrust, JwksPolicy, Needs, StatusPolicy
from token_guard.needs import NOTHING
from token_guard.outbound import Limits

from resource_server.platform import deadlines
from tests.guard.issuer import Behaviour, Issuer, running, send
from tests.guard.lists import DENY, PATH, list_token, placed, serve_list
from tests.guard.minting import AUDIENCE, EC, jwks, token
from tests.guard.test_introspection import OPAQUE, active
from tests.guard.test_jwks_policy import NEW
from tests.support.clocks import ManualClock

SOON, LIMIT, PATIENCE = 0.2, 20.0, 60.0
"""How long an impatient caller waits; what a fetch may take; what the test waits, and the issuer keeps its answer back."""


class Hold:
    """Keeps an issuer's answers back until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.flying, self.land = threading.Event(), threading.Event()

    def here(self) -> None:
        self.asked += 1
        self.flying.set()
        self.land.wait(PATIENCE)

    def before(self, usual: Behaviour) -> Behaviour:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            self.here()
            usual(handler)

        return answer


@dataclass(frozen=True)
class Waiting:
    """A guard that must ask before it can judge `presented`; `away` is what refuses who does not get to know. `shared`: one fetch serves all."""

    guard: Guard
    presented: str
    away: Check
    needs: Needs = NOTHING
    shared: bool = True

    def validate(self) -> str:
        return self.guard.validate(self.presented, self.needs).subject

    def refused(self, seconds: float = SOON) -> None:
        """To a caller who waits for so long, since nothing is known by then."""
        with deadlines.within(seconds):
            with pytest.raises(GuardError) as caught:
                self.validate()
            assert deadlines.passed(), "and not before"
        assert (caught.value.status, caught.value.check) == (503, self.away)

    def blamed(self) -> int:
        """The failures the issuer is said to have had."""
        return sum(state.failures for state in self.guard.keys().values()) + self.guard.lists().failures


def guard(issuer: Issuer, now: Callable[[], float] = time.time) -> Guard:
    limits = Limits(LIMIT, LIMIT)
    asking = Introspection(f"{issuer.url}/introspect", "api", "secret", failures=1, open_seconds=100, limits=limits)
    policy = JwksPolicy(connect_timeout=LIMIT, total_timeout=LIMIT)
    trust = IssuerTrust(issuer.url, AUDIENCE, policy=policy, introspection=asking)
    return Guard(trust, status=StatusPolicy(limits=limits), seconds_left=deadlines.seconds_left, now=now)


def first_keys(issuer: Issuer, hold: Hold) -> Waiting:
    issuer.behave = hold.before(issuer.send_keys)
    return Waiting(guard(issuer), token(iss=issuer.url), Check.KEYS_AWAY)


def rotated_key(issuer: Issuer, hold: Hold) -> Waiting:
    guarding = guard(issuer)
    assert guarding.warm()
    issuer.keys, issuer.behave = jwks(EC, NEW), hold.before(issuer.send_keys)
    return Waiting(guarding, token(key=NEW, iss=issuer.url), Check.KEYS_AWAY)


def listed(issuer: Issuer, hold: Hold, needs: Needs = NOTHING) -> Waiting:
    guarding, uri = guard(issuer), f"{issuer.url}{PATH}"
    assert guarding.warm()

    def body() -> bytes:
        hold.here()
        return list_token(uri, time.time()).encode()

    serve_list(issuer, body)
    return Waiting(guarding, placed(uri, 5, iss=issuer.url), Check.STATUS_AWAY, needs)


def listed_and_denied_in_doubt(issuer: Issuer, hold: Hold) -> Waiting:
    return listed(issuer, hold, DENY)


def asked_about(issuer: Issuer, hold: Hold) -> Waiting:
    issuer.active[OPAQUE] = active()
    issuer.introspect = hold.before(issuer.introspect)  # type: ignore[method-assign]  # it takes its time
    return Waiting(guard(issuer), OPAQUE, Check.INTROSPECTION_AWAY, shared=False)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


@pytest.fixture
def hold() -> Iterator[Hold]:
    held = Hold()
    yield held
    held.land.set()


CASES = (first_keys, rotated_key, listed, listed_and_denied_in_doubt, asked_about)


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def waiting(request: pytest.FixtureRequest, issuer: Issuer, hold: Hold) -> Waiting:
    made: Waiting = request.param(issuer, hold)
    return made


def test_a_fetch_goes_on_when_the_caller_it_was_begun_for_leaves(waiting: Waiting, hold: Hold) -> None:
    waiting.refused()
    with ThreadPoolExecutor() as pool:
        patient = pool.submit(waiting.validate)
        waiting.refused()
        hold.land.set()
        assert patient.result(PATIENCE) == "person-1"
    assert waiting.validate() == "person-1"
    if waiting.shared:
        assert hold.asked == 1
    assert (waiting.blamed(), waiting.guard.lists().unchecked) == (0, 0)


def test_who_waits_for_the_fetch_of_another_may_leave_before_them(waiting: Waiting, hold: Hold) -> None:
    with ThreadPoolExecutor() as pool:
        patient = pool.submit(waiting.validate)
        assert hold.flying.wait(PATIENCE)
        waiting.refused()
        hold.land.set()
        assert patient.result(PATIENCE) == "person-1"
    assert waiting.blamed() == 0


def test_who_waits_long_enough_is_served(waiting: Waiting, hold: Hold) -> None:
    hold.land.set()
    with deadlines.within(PATIENCE):
        assert waiting.validate() == "person-1"


def test_an_issuer_that_fails_has_failed_whoever_waits(issuer: Issuer) -> None:
    issuer.behave = lambda handler: send(handler, 500)
    guarding = guard(issuer)
    with deadlines.within(PATIENCE), pytest.raises(GuardError) as caught:
        guarding.validate(token(iss=issuer.url))
    assert (caught.value.status, guarding.keys()[issuer.url].failures) == (503, 1)


def test_who_is_too_late_already_asks_nobody_about_a_token(issuer: Issuer, hold: Hold) -> None:
    asked_about(issuer, hold).refused(0)
    assert hold.asked == 0


def test_an_endpoint_that_is_tried_again_is_no_worse_when_who_tries_leaves(issuer: Issuer, hold: Hold) -> None:
    clock = ManualClock()
    usual, issuer.introspect = issuer.introspect, fail  # type: ignore[method-assign]  # an outage
    waiting = Waiting(guard(issuer, clock.precise), OPAQUE, Check.INTROSPECTION_AWAY)
    with pytest.raises(GuardError):
        waiting.validate()
    clock.advance(100)
    issuer.active[OPAQUE], issuer.introspect = active(), hold.before(usual)  # type: ignore[method-assign]  # it is slow now
    waiting.refused()
    hold.land.set()
    assert waiting.validate() == "person-1", "and not a while later"


def fail(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(int(handler.headers["Content-Length"]))
    send(handler, 500)
