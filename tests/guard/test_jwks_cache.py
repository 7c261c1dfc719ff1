"""The keys of an issuer that rotates, stalls, lies or is gone, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from token_guard import Guard, GuardError, IssuerTrust, JwksPolicy

from tests.guard.issuer import Behaviour, Issuer, running, send
from tests.guard.minting import AUDIENCE, EC, jwks, token

EAGER = {"retry_interval": 0.0, "miss_interval": 0.0, "negative_ttl": 0.0, "connect_timeout": 2.0, "total_timeout": 2.0}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


def guard(issuer: Issuer, **policy: Any) -> Guard:
    return Guard(IssuerTrust(issuer.url, AUDIENCE, policy=JwksPolicy(**{**EAGER, **policy})))


def good(issuer: Issuer, key: Any = EC, **changes: Any) -> str:
    return token(key=key, iss=issuer.url, **changes)


def refusal(guarding: Guard, presented: str) -> GuardError:
    with pytest.raises(GuardError) as caught:
        guarding.validate(presented)
    return caught.value


def test_keys_are_fetched_once_and_kept(issuer: Issuer) -> None:
    guarding = guard(issuer)
    for _ in range(20):
        assert guarding.validate(good(issuer)).subject == "person-1"
    assert issuer.asked == 1
    assert guarding.keys()[issuer.url].fresh


def test_many_callers_at_a_cold_start_make_one_fetch(issuer: Issuer) -> None:
    guarding, presented = guard(issuer), good(issuer)
    barrier = threading.Barrier(20)

    def call(_number: int) -> str:
        barrier.wait(10)
        return guarding.validate(presented).subject

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(call, range(20))) == {"person-1"}
    assert issuer.asked == 1


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def truncate(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(jwks(EC)[:20])
    handler.connection.close()


def stall(handler: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(1.0)
    send(handler, 200, jwks(EC))


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        for _ in range(40):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def private_member() -> bytes:
    return json.dumps({"keys": [EC.as_dict(private=True)]}).encode()


def body(content: bytes) -> Behaviour:
    return lambda handler: send(handler, 200, content)


FAULTS: dict[str, Behaviour] = {
    "503": lambda handler: send(handler, 503),
    "404": lambda handler: send(handler, 404, jwks(EC)),
    "elsewhere": lambda handler: send(handler, 302, Location="http://127.0.0.1:9/jwks"),
    "hangs up": hang_up,
    "truncated": truncate,
    "stalls": stall,
    "drips": drip,
    "too large": body(b" " * 300_000 + jwks(EC)),
    "no JSON": body(b"<html>"),
    "no keys": body(b"{}"),
    "empty": body(b'{"keys": []}'),
    "too many": body(json.dumps({"keys": [{"kid": str(n)} for n in range(40)]}).encode()),
    "private": body(private_member()),
    "symmetric": body(json.dumps({"keys": [OctKey.generate_key(256, {"kid": "ec"}).as_dict()]}).encode()),
    "for encryption": body(json.dumps({"keys": [{**EC.as_dict(private=False), "use": "enc"}]}).encode()),
    "twice the same name": body(json.dumps({"keys": [EC.as_dict(private=False)] * 2}).encode()),
    "nested too deep": body(b"[" * 100_000),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_without_usable_keys_nobody_can_know_and_a_good_answer_heals(issuer: Issuer, fault: Behaviour) -> None:
    issuer.behave = fault
    guarding = guard(issuer, connect_timeout=0.3, total_timeout=0.5)
    error = refusal(guarding, good(issuer))
    assert (error.status, error.code) == (503, "temporarily_unavailable")
    assert int(error.headers()["Retry-After"]) > 0
    issuer.behave = issuer.send_keys
    assert guarding.validate(good(issuer)).subject == "person-1"


@pytest.mark.parametrize(
    "fault", [FAULTS["503"], FAULTS["no JSON"], FAULTS["private"]], ids=["away", "lying", "leaking"]
)
def test_known_keys_go_on_when_the_issuer_fails(issuer: Issuer, fault: Behaviour) -> None:
    guarding = guard(issuer, min_fresh=0.0, max_fresh=0.0)
    assert guarding.validate(good(issuer))
    issuer.behave = fault
    for _ in range(3):
        assert guarding.validate(good(issuer)).subject == "person-1"


def test_stale_keys_are_not_kept_for_ever(issuer: Issuer) -> None:
    guarding = guard(issuer, min_fresh=0.0, max_fresh=0.0, stale_for=0.0)
    assert guarding.warm() in {True, False}
    issuer.behave = FAULTS["503"]
    assert refusal(guarding, good(issuer)).status == 503


def test_a_rotated_key_is_found_by_one_refetch(issuer: Issuer) -> None:
    guarding = guard(issuer)
    assert guarding.validate(good(issuer))
    new = ECKey.generate_key("P-256", {"kid": "new", "alg": "ES256", "use": "sig"})
    issuer.keys = jwks(EC, new)
    assert guarding.validate(good(issuer, new)).subject == "person-1"
    assert guarding.validate(good(issuer, new)).subject == "person-1"
    assert issuer.asked == 2


def test_a_key_replaced_under_its_name_is_found_by_one_refetch(issuer: Issuer) -> None:
    guarding = guard(issuer)
    assert guarding.validate(good(issuer))
    other = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"})
    issuer.keys = jwks(other)
    assert guarding.validate(good(issuer, other)).subject == "person-1"
    assert refusal(guarding, good(issuer)).status == 401, "the old key is gone"


def test_a_flood_of_unknown_keys_is_a_trickle_at_the_issuer(issuer: Issuer) -> None:
    guarding = guard(issuer, miss_interval=30.0, negative_ttl=10.0)
    assert guarding.validate(good(issuer))
    for number in range(300):
        assert (
            refusal(guarding, token({"kid": f"unknown-{number}"}, iss=issuer.url, iat=int(time.time()) - 30)).status
            == 401
        )
    assert issuer.asked == 2
    assert guarding.validate(good(issuer)).subject == "person-1"


def test_an_unknown_key_is_the_tokens_fault_only_when_the_keys_are_younger(issuer: Issuer) -> None:
    guarding = guard(issuer)
    assert refusal(guarding, token({"kid": "gone"}, iss=issuer.url, iat=int(time.time()) - 30)).status == 401
    issuer.behave = FAULTS["503"]
    assert refusal(guarding, token({"kid": "coming"}, iss=issuer.url, iat=int(time.time()) + 5)).status == 503


def test_keys_on_disk_serve_a_cold_start_without_the_issuer(issuer: Issuer, tmp_path: Path) -> None:
    snapshot = tmp_path / "jwks.json"
    assert guard(issuer, snapshot=snapshot).validate(good(issuer))
    assert snapshot.stat().st_mode & 0o777 == 0o600
    issuer.behave = FAULTS["503"]
    assert guard(issuer, snapshot=snapshot).validate(good(issuer)).subject == "person-1"
    snapshot.write_bytes(private_member())
    assert refusal(guard(issuer, snapshot=snapshot), good(issuer)).status == 503


def test_verified_tokens_are_kept_no_longer_than_their_keys(issuer: Issuer) -> None:
    cached = Guard(IssuerTrust(issuer.url, AUDIENCE, policy=JwksPolicy(**EAGER)), cache_seconds=30)
    presented = good(issuer)
    assert cached.validate(presented).subject == "person-1"
    assert cached.validate(presented) is cached.validate(presented)
    issuer.keys = jwks(ECKey.generate_key("P-256", {"kid": "other", "alg": "ES256", "use": "sig"}))
    with pytest.raises(GuardError):
        cached.validate(token({"kid": "unknown"}, iss=issuer.url, iat=int(time.time()) - 30))
    assert refusal(cached, presented).status == 401


def test_a_token_that_ends_is_not_kept(issuer: Issuer) -> None:
    cached = Guard(IssuerTrust(issuer.url, AUDIENCE, skew=0, policy=JwksPolicy(**EAGER)), cache_seconds=30)
    presented = good(issuer, exp=int(time.time()) + 1)
    assert cached.validate(presented)
    deadline = time.monotonic() + 20
    while True:
        try:
            cached.validate(presented)
        except GuardError as error:
            assert error.status == 401
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("url", ["http://id.test", "ftp://127.0.0.1", "id.test", ""])
def test_keys_come_over_https_or_loopback(url: str) -> None:
    with pytest.raises(ValueError, match=r"https|must be set"):
        IssuerTrust(url, AUDIENCE)


def test_metadata_of_another_issuer_is_refused(issuer: Issuer) -> None:
    with running() as other:
        issuer.url, real = other.url, issuer.url
        assert refusal(Guard(IssuerTrust(real, AUDIENCE, policy=JwksPolicy(**EAGER))), token(iss=real)).status == 503
