"""Asking the issuer: tokens that say nothing themselves, operations that need its word of this moment, and an issuer that does not answer."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from token_guard import Check, Guard, GuardError, Introspection, IssuerTrust, JwksPolicy, Needs
from token_guard.outbound import Limits

from tests.guard.issuer import Issuer, running, send
from tests.guard.minting import AUDIENCE, token
from tests.guard.proofs import HOLDER, proof, request
from tests.guard.test_jwks_cache import EAGER, drip, hang_up, stall
from tests.support.clocks import ManualClock

OPAQUE = "mF_9.B5f-4.1JqM~x/+=="
FRESH = Needs(fresh=True)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


def guard(issuer: Issuer, now: Callable[[], float] = time.time, cache: float = 0, **config: Any) -> Guard:
    asking = Introspection(f"{issuer.url}/introspect", "the api", "s€cret", **config)
    trust = IssuerTrust(issuer.url, AUDIENCE, policy=JwksPolicy(**EAGER), introspection=asking)
    return Guard(trust, now=now, cache_seconds=cache)


def active(**changes: Any) -> dict[str, Any]:
    """What an issuer says of a good token; RFC 7662 §2.2 requires next to nothing."""
    return {"client_id": "app", "aud": AUDIENCE, "scope": "read write", "sub": "person-1", **changes}


def refusal(guarding: Guard, presented: str, needs: Needs | None = None) -> GuardError:
    with pytest.raises(GuardError) as caught:
        guarding.validate(presented, needs or Needs())
    return caught.value


def test_a_token_that_says_nothing_is_asked_about(issuer: Issuer) -> None:
    issuer.active[OPAQUE] = active(roles=["admin"])
    principal = guard(issuer).validate(OPAQUE)
    assert (principal.issuer, principal.subject, principal.client_id) == (issuer.url, "person-1", "app")
    assert (principal.scopes, principal.roles) == ({"read", "write"}, {"admin"})
    ((_, handler),) = issuer.asked_about
    assert base64.b64decode(handler.headers["Authorization"].removeprefix("Basic ")) == b"the+api:s%E2%82%ACcret"


def test_a_service_is_known_by_its_client_alone(issuer: Issuer) -> None:
    issuer.active[OPAQUE] = {"client_id": "svc", "aud": [AUDIENCE]}
    assert guard(issuer).validate(OPAQUE).is_service


WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "https://other.test"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://evil.test"},
    "expired": {"exp": 5},
    "to come": {"nbf": 4_000_000_000},
    "no client": {"client_id": None},
    "a list for a scope": {"scope": ["read"]},
    "a text for an end": {"exp": "soon"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=list(WRONG))
def test_what_the_issuer_says_is_judged_like_a_token(issuer: Issuer, changes: dict[str, Any]) -> None:
    issuer.active[OPAQUE] = {name: value for name, value in active(**changes).items() if value is not None}
    assert refusal(guard(issuer), OPAQUE).code == "invalid_token"


def test_an_inactive_token_is_refused_and_not_asked_about_again_and_again(issuer: Issuer) -> None:
    clock = ManualClock()
    guarding = guard(issuer, clock.precise)
    for _ in range(5):
        error = refusal(guarding, OPAQUE)
        assert (error.status, error.code, error.check) == (401, "invalid_token", Check.INACTIVE)
    assert len(issuer.asked_about) == 1
    clock.advance(6)
    assert refusal(guarding, OPAQUE).check is Check.INACTIVE
    assert len(issuer.asked_about) == 2


def test_answers_are_kept_as_long_as_is_allowed_and_no_revocation_was_heard_of(issuer: Issuer) -> None:
    clock = ManualClock()
    issuer.active[OPAQUE] = active(exp=clock.now() + 15)
    guarding = guard(issuer, clock.precise, cache_seconds=30)
    for _ in range(5):
        assert guarding.validate(OPAQUE)
    assert len(issuer.asked_about) == 1
    assert guarding.validate(OPAQUE, FRESH)
    assert len(issuer.asked_about) == 2
    guarding.status_changed()
    assert guarding.validate(OPAQUE)
    assert len(issuer.asked_about) == 3
    clock.advance(29)
    assert refusal(guarding, OPAQUE).check is Check.EXPIRED
    assert len(issuer.asked_about) == 3


@pytest.mark.parametrize("cache", [0, 30])
def test_where_only_the_issuers_word_counts_a_jwt_is_asked_about_too(issuer: Issuer, cache: float) -> None:
    guarding, presented = guard(issuer, cache=cache, cache_seconds=30), token(iss=issuer.url)
    assert guarding.validate(presented)
    assert not issuer.asked_about
    assert refusal(guarding, presented, FRESH).check is Check.INACTIVE
    issuer.active[presented] = active()
    for _ in range(3):
        assert guarding.validate(presented, FRESH)
    assert len(issuer.asked_about) == 4


def test_a_bad_jwt_is_nothing_to_ask_about(issuer: Issuer) -> None:
    guarding = guard(issuer)
    for presented in (token(iss=issuer.url, aud="other"), token(iss=issuer.url) + "x", "eyJ9.b.c"):
        assert refusal(guarding, presented, FRESH).status == 401
    assert not issuer.asked_about


@pytest.mark.parametrize("presented", ["", "é", "\ud800", "a b", "a\nb", "x" * 9000, "a=b", "a,b", "%", "\x00"])
def test_what_cannot_be_a_token_is_nothing_to_ask_about(issuer: Issuer, presented: str) -> None:
    assert refusal(guard(issuer), presented).status == 401
    assert not issuer.asked_about


def test_without_an_endpoint_nothing_is_asked(issuer: Issuer) -> None:
    plain = Guard(IssuerTrust(issuer.url, AUDIENCE))
    assert refusal(plain, OPAQUE).check is Check.SHAPE
    error = refusal(plain, token(iss=issuer.url), FRESH)
    assert (error.status, error.check) == (503, Check.INTROSPECTION_AWAY)
    assert refusal(guard(issuer, opaque=False), OPAQUE).check is Check.SHAPE


def test_an_opaque_token_may_be_bound(issuer: Issuer) -> None:
    issuer.active[OPAQUE] = active(cnf={"jkt": HOLDER.thumbprint()})
    guarding = guard(issuer)
    assert guarding.admit(request(OPAQUE, proof(OPAQUE)))
    assert refusal(guarding, OPAQUE).check is Check.BINDING


def other_form(issuer: Issuer) -> Guard:
    asking = Introspection(f"{issuer.url}/introspect", fields=lambda: {"client_assertion": "signed"})
    return Guard(IssuerTrust(issuer.url, AUDIENCE, introspection=asking))


def test_an_api_may_prove_itself_in_the_form(issuer: Issuer) -> None:
    seen: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
        send(handler, 200, b'{"active": false}')

    issuer.introspect = answer  # type: ignore[method-assign]  # this issuer tells what it was sent
    refusal(other_form(issuer), OPAQUE)
    assert seen == ["token=mF_9.B5f-4.1JqM~x%2F%2B%3D%3D&token_type_hint=access_token&client_assertion=signed"]


def test_connections_are_kept_and_replaced(issuer: Issuer) -> None:
    issuer.active[OPAQUE] = active()
    guarding = guard(issuer)
    for _ in range(5):
        assert guarding.validate(OPAQUE)
    peers = {handler.client_address for _, handler in issuer.asked_about}
    assert len(peers) == 1
    issuer.asked_about[0][1].connection.shutdown(2)
    assert guarding.validate(OPAQUE), "a connection the server closed is no outage"


def test_many_may_ask_at_once(issuer: Issuer) -> None:
    issuer.active[OPAQUE] = active()
    guarding, barrier = guard(issuer), threading.Barrier(30)

    def call(_number: int) -> str:
        barrier.wait(30)
        return guarding.validate(OPAQUE).subject

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(call, range(30))) == {"person-1"}


def body(content: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        send(handler, status, content, **headers)

    return answer


FAULTS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "503": body(b"", 503),
    "we are not known": body(b"", 401),
    "elsewhere": body(b"", 302, Location="http://127.0.0.1:9/"),
    "no JSON": body(b"<html>"),
    "a list": body(b"[]"),
    "no answer": body(b"{}"),
    "a text for an answer": body(b'{"active": "true"}'),
    "deep": body(b"[" * 100_000),
    "too large": body(b'{"active": true, "x": "' + b"x" * 400_000 + b'"}'),
    "hangs up": hang_up,
    "stalls": stall,
    "drips": drip,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_without_an_answer_nobody_can_know_and_a_good_one_heals(
    issuer: Issuer, fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    usual, issuer.introspect = issuer.introspect, fault  # type: ignore[method-assign]  # the fault
    guarding = guard(issuer, limits=Limits(0.3, 0.5))
    error = refusal(guarding, OPAQUE)
    assert (error.status, error.check) == (503, Check.INTROSPECTION_AWAY)
    issuer.introspect, issuer.active[OPAQUE] = usual, active()  # type: ignore[method-assign]  # and its end
    assert guarding.validate(OPAQUE)


def test_an_endpoint_that_fails_again_and_again_is_left_alone_for_a_while(issuer: Issuer) -> None:
    clock, asked = ManualClock(), []

    def fail(handler: BaseHTTPRequestHandler) -> None:
        asked.append(1)
        body(b"", 500)(handler)

    usual, issuer.introspect = issuer.introspect, fail  # type: ignore[method-assign]  # the fault
    guarding = guard(issuer, clock.precise, failures=3, open_seconds=10)
    for _ in range(10):
        assert refusal(guarding, OPAQUE).check is Check.INTROSPECTION_AWAY
    assert len(asked) == 3
    assert refusal(guarding, OPAQUE).headers()["Retry-After"] == "11"
    clock.advance(10)
    for _ in range(5):
        assert refusal(guarding, OPAQUE).status == 503
    assert len(asked) == 4, "one tries, and fails"
    clock.advance(10)
    issuer.introspect, issuer.active[OPAQUE] = usual, active()  # type: ignore[method-assign]  # and its end
    for _ in range(3):
        assert guarding.validate(OPAQUE)
