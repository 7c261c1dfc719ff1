"""The same verdicts on messages: handled, put aside, or tried again later."""

from __future__ import annotations

import json
from typing import Any

import pytest
from token_guard import ClaimMap, Guard, IssuerTrust, Needs
from token_guard.adapters.messages import Action, MessageGuard
from token_guard.checks import Check
from token_guard.fetch import Fetched, FetchError

from tests.guard.minting import AUDIENCE, EC, ED, ISSUER, FromNow, jwks, token
from tests.guard.proofs import bound

READ = Needs(scopes=("read",))
SENDER = "svc-payments"


def messages(**options: Any) -> MessageGuard:
    fetch = options.pop("fetch", lambda _trust: Fetched(jwks(), 300))
    service = IssuerTrust(
        SENDER,
        "orders",
        jwks=json.loads(jwks(ED)),
        types=frozenset({"ctx+jwt"}),
        claims=ClaimMap(client_id="iss"),
        max_lifetime=600,
    )
    return MessageGuard(Guard(IssuerTrust(ISSUER, AUDIENCE), service, fetch=fetch), **options)


def context(**changes: Any) -> str:
    """A message's own token, signed by the service that sent it: no access token goes through a queue."""
    claims = {
        "iss": SENDER,
        "aud": "orders",
        "sub": "person-1",
        "client_id": None,
        "scope": None,
        "act": {"sub": SENDER},
        "exp": FromNow(300),
        **changes,
    }
    return token({"typ": "ctx+jwt"}, ED, **claims)


def test_a_good_message_is_handled_for_who_caused_it() -> None:
    for headers in (
        {"authorization": f"Bearer {token()}"},
        {"Authorization": f"Bearer {token()}".encode(), "content-type": b"application/json"},
    ):
        verdict = messages().judge(headers, READ)
        assert verdict.action is Action.HANDLE
        assert verdict.principal is not None
        assert verdict.principal.subject == "person-1"


def test_a_service_signs_for_whom_it_acts() -> None:
    verdict = messages().judge({"authorization": f"Bearer {context()}"})
    assert verdict.principal is not None
    assert (verdict.principal.subject, verdict.principal.actors) == ("person-1", (SENDER,))
    for changes in ({"aud": "payments"}, {"exp": FromNow(3600)}, {"iss": "svc-unknown"}, {"exp": FromNow(-60)}):
        assert messages().judge({"authorization": f"Bearer {context(**changes)}"}).action is Action.REJECT
    as_access_token = token(key=ED, iss=SENDER, aud="orders", client_id=None)
    assert messages().judge({"authorization": f"Bearer {as_access_token}"}).action is Action.REJECT
    others_key = token({"typ": "ctx+jwt", "kid": "ed"}, EC, iss=SENDER, aud="orders", client_id=None)
    assert messages().judge({"authorization": f"Bearer {others_key}"}).action is Action.REJECT


@pytest.mark.parametrize(
    ("headers", "check"),
    [
        ({}, Check.CREDENTIALS),
        ({"authorization": ""}, Check.CREDENTIALS),
        ({"authorization": b"\xff\xfe"}, Check.CREDENTIALS),
        ({"authorization": "Bearer x"}, Check.SHAPE),
        ({"authorization": f"Bearer {token(exp=5)}"}, Check.EXPIRED),
        ({"authorization": f"Bearer {token(exp=FromNow(40_000), scope='write')}"}, Check.SCOPE),
        ({"authorization": f"Bearer {bound(exp=FromNow(40_000))}"}, Check.BINDING),
        ({"authorization": f"DPoP {bound(exp=FromNow(40_000))}"}, Check.PROOF),
        ({"authorization": f"Bearer {token(exp=FromNow(40_000))}", "AUTHORIZATION": "Bearer x"}, Check.CREDENTIALS),
    ],
    ids=["none", "empty", "bytes", "shape", "expired", "scope", "bound", "proof", "twice"],
)
def test_a_bad_message_is_put_aside(headers: dict[str, Any], check: Check) -> None:
    verdict = messages().judge(headers, READ)
    assert (verdict.action, verdict.principal) == (Action.REJECT, None)
    assert verdict.error is not None
    assert verdict.error.check is check


def test_when_nobody_can_know_a_message_waits() -> None:
    def away(_trust: IssuerTrust) -> Fetched:
        raise FetchError("away")

    verdict = messages(fetch=away).judge({"authorization": f"Bearer {token()}"}, READ)
    assert (verdict.action, verdict.principal) == (Action.RETRY, None)
    assert verdict.retry_after > 0


def test_the_header_may_have_another_name() -> None:
    named = MessageGuard(Guard(IssuerTrust(ISSUER, AUDIENCE, jwks=json.loads(jwks()))), header="ce-token")
    assert named.judge({"CE-Token": f"Bearer {token()}"}).action is Action.HANDLE
    assert named.judge({"authorization": f"Bearer {token()}"}).action is Action.REJECT
