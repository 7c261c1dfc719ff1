"""`token_guard explain`: which check refused a token and how to fix it, by the token or by the trace id of a request."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from token_guard.certificates import thumbprint
from token_guard.checks import ADVICE, Check

from tests.guard import certs
from tests.guard.issuer import running
from tests.guard.minting import AUDIENCE, EC, ISSUER, FromNow, jwks, token
from tests.guard.proofs import PATH, bound, proof


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks())
    return file


def run(*options: Any, presented: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "token_guard", "explain", *map(str, options)]
    return subprocess.run(command, input=presented, capture_output=True, text=True, check=False, timeout=60)


def judged(keys: Path, presented: str, *options: Any) -> tuple[int, dict[str, Any]]:
    done = run("--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", keys, "--json", *options, presented=presented)
    return done.returncode, json.loads(done.stdout)


def test_a_good_token_is_accepted_and_shown(keys: Path) -> None:
    status, told = judged(keys, token(), "--scope", "read")
    assert (status, told["verdict"], told["check"]) == (0, "accepted", None)
    assert (told["header"]["typ"], told["claims"]["sub"]) == ("at+jwt", "person-1")


@pytest.mark.parametrize(
    ("minted", "options", "check"),
    [
        (lambda: token(aud="https://other.test"), (), "audience"),
        (lambda: token(exp=FromNow(-60)), (), "expired"),
        (lambda: token({"typ": "JWT"}), (), "type"),
        (lambda: token({"kid": "gone"}, iat=FromNow(-60)), (), "key"),
        (lambda: token(exp=FromNow(12 * 3600)), ("--scope", "delete"), "scope"),
        (lambda: bound(exp=FromNow(12 * 3600)), (), "binding"),
        (lambda: "garbage", (), "shape"),
        (lambda: "", (), "credentials"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_the_check_that_refused_is_named_with_what_to_do(
    keys: Path, minted: Callable[[], str], options: tuple[str, ...], check: str
) -> None:
    status, told = judged(keys, minted(), *options)
    assert (status, told["check"]) == (1, check)
    assert told["advice"] == ADVICE[Check(check)]
    assert told["reason"]


def test_people_read_it_in_words(keys: Path) -> None:
    options = ("--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", keys)
    done = run(*options, presented=token(aud="https://other.test"))
    assert "refused by: audience\nwhy:        the audience is https://other.test\n" in done.stdout
    assert "what to do: Ask the issuer for a token for this API" in done.stdout
    assert done.stdout.endswith("the answer: 401 invalid_token\n")


def test_the_token_may_be_in_a_file_and_the_time_another(keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(iat=1_700_000_000, exp=1_700_000_300) + "\n")
    options = ("--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", keys, file)
    assert run(*options, "--at", 1_700_000_100).returncode == 0
    assert run(*options).returncode == 1


def test_proofs_and_certificates_are_judged_too(keys: Path, tmp_path: Path) -> None:
    presented, file = bound(), tmp_path / "proof"
    file.write_text(proof(presented))
    options = ("--dpop", file, "--url", AUDIENCE + PATH)
    assert judged(keys, presented, *options)[0] == 0
    assert judged(keys, presented, *options, "--method", "POST")[1]["check"] == "proof_request"
    holder = certs.make(tmp_path, "holder")
    held = token(cnf={"x5t#S256": thumbprint(holder.der)})
    assert judged(keys, held, "--certificate", holder.cert_file)[0] == 0
    assert judged(keys, held)[1]["check"] == "certificate"


def test_keys_are_fetched_where_none_are_at_hand() -> None:
    with running() as issuer:
        done = run("--issuer", issuer.url, "--audience", AUDIENCE, presented=token(key=EC, iss=issuer.url))
        assert done.returncode == 0, done.stdout
    done = run("--issuer", issuer.url, "--audience", AUDIENCE, presented=token(key=EC, iss=issuer.url))
    assert "refused by: keys_away" in done.stdout


def test_a_refusal_is_found_in_a_log_by_its_trace_id(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "not JSON a1\n"
        '{"event": "request", "request_id": "a1", "status": 401}\n'
        '{"event": "refused", "request_id": "a1", "check": "expired", "reason": "60 s ago", "status": 401}\n'
        "2026-01-01 INFO b2 refused by scope: the scope x is missing\n"
        '{"trace_id": "c3", "check": "made up"}\n'
    )
    done = run("--log", log, "--trace-id", "a1")
    assert done.returncode == 1
    assert "refused by: expired\nwhy:        60 s ago\n" in done.stdout
    assert "refused by: scope" in run("--log", log, "--trace-id", "b2").stdout
    for unknown in ("c3", "d4"):
        assert run("--log", log, "--trace-id", unknown).stdout == ""


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--issuer", ISSUER),
        ("--issuer", "http://id.test", "--audience", AUDIENCE),
        ("--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", "/nowhere"),
        ("--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", __file__),
        ("--log", "/nowhere", "--trace-id", "x"),
        ("--log", "/dev/null"),
    ],
    ids=str,
)
def test_wrong_usage_is_said_in_one_sentence(options: tuple[str, ...]) -> None:
    done = run(*options, presented="x")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_every_check_has_advice() -> None:
    assert set(ADVICE) == set(Check)
    assert all(text[-1] in ".?" for text in ADVICE.values())
