"""One file of tokens, judged alike by the guard behind WSGI, ASGI, gRPC and messages, and by the identity provider's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from token_guard import Guard, GuardError, IssuerTrust, Needs
from token_guard.adapters.messages import Action, MessageGuard
from token_guard.fetch import Fetched

from idp.tokens import jose
from idp.tokens.access import AccessTokens
from tests.guard import rpc
from tests.guard.serving import serving

FILE = json.loads(Path(__file__).with_name("access_tokens.json").read_text("ascii"))
VECTORS: list[dict[str, Any]] = FILE["vectors"]


def of(judge: str) -> Any:
    mine = [one for one in VECTORS if judge in one["judges"]]
    return pytest.mark.parametrize("vector", mine, ids=[ascii(one["name"]) for one in mine])


class Standing:
    """A clock that stands at the time of the vectors."""

    def now(self) -> int:
        return int(FILE["now"])

    def precise(self) -> float:
        return float(FILE["now"])


class PublishedKeys:
    """The vectors' public keys, as the identity provider finds its own."""

    def __init__(self) -> None:
        self._verifiers = {key["kid"]: jose.verifier_of(key) for key in FILE["jwks"]["keys"]}

    def verifier(self, kid: str) -> jose.Verifier | None:
        return self._verifiers.get(kid)


@pytest.fixture(scope="module")
def guard() -> Guard:
    keys = Fetched(json.dumps(FILE["jwks"]).encode(), 300)
    return Guard(
        IssuerTrust(FILE["issuer"], FILE["audience"]), fetch=lambda _trust: keys, now=lambda: float(FILE["now"])
    )


@pytest.fixture(scope="module")
def reader() -> AccessTokens:
    return AccessTokens(PublishedKeys(), FILE["issuer"], Standing())  # type: ignore[arg-type] # only keys are asked for


@of("guard")
def test_the_guard(guard: Guard, vector: dict[str, Any]) -> None:
    if vector["accepted"]:
        assert guard.validate(vector["token"]).issuer == FILE["issuer"]
        return
    with pytest.raises(GuardError) as refused:
        guard.validate(vector["token"])
    assert (refused.value.status, refused.value.code) == (401, "invalid_token")


@of("idp")
def test_the_identity_provider(reader: AccessTokens, vector: dict[str, Any]) -> None:
    assert (reader.read(vector["token"]) is not None) is vector["accepted"]


def test_there_are_about_two_hundred() -> None:
    assert len(VECTORS) >= 200
    assert sum(one["accepted"] for one in VECTORS) >= 15


def travels(vector: dict[str, Any]) -> bool:
    """Whether a header can carry it at all: servers refuse the rest before any guard is asked."""
    token = vector["token"]
    return token.isascii() and token.isprintable() and " " not in token and 0 < len(token) < 6000


CARRIED = [one for one in VECTORS if "guard" in one["judges"] and travels(one)]


@pytest.mark.parametrize("kind", ["flask", "django", "starlette", "fastapi"])
def test_apis(guard: Guard, kind: str) -> None:
    with serving(kind, guard) as url, requests.Session() as http:
        for vector in CARRIED:
            answer = http.get(f"{url}/payments", headers={"Authorization": f"Bearer {vector['token']}"}, timeout=30)
            assert answer.status_code == (200 if vector["accepted"] else 401), vector["name"]


@pytest.mark.parametrize("server", rpc.SERVERS.values(), ids=rpc.SERVERS)
def test_grpc(guard: Guard, server: Any) -> None:
    with server(guard) as place, grpc.insecure_channel(place) as channel:
        for vector in CARRIED:
            try:
                rpc.call(channel, rpc.metadata(vector["token"]))
            except grpc.RpcError as error:
                assert not vector["accepted"], vector["name"]
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED, vector["name"]
            else:
                assert vector["accepted"], vector["name"]


def test_messages(guard: Guard) -> None:
    judge = MessageGuard(guard)
    for vector in CARRIED:
        verdict = judge.judge({"authorization": f"Bearer {vector['token']}"}, Needs(scopes=("read",)))
        assert verdict.action is (Action.HANDLE if vector["accepted"] else Action.REJECT), vector["name"]
