"""Counters, the reason of a refusal by its trace id, and an observer; none of it can do harm."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from token_guard import Check, Guard, GuardError, IssuerTrust, Needs, Outcome, Presented
from token_guard.fetch import Fetched, FetchError

from tests.guard.minting import AUDIENCE, ISSUER, FromNow, jwks, token


def guard(**options: Any) -> Guard:
    return Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(), 300), **options)


def ask(guarding: Guard, presented: str, trace_id: str | None = None, needs: Needs | None = None) -> None:
    try:
        guarding.admit(Presented(authorization=(f"Bearer {presented}",), trace_id=trace_id), needs or Needs())
    except GuardError as error:
        assert error.trace_id == trace_id


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_decisions_are_counted_by_outcome_and_check() -> None:
    guarding = guard()
    ask(guarding, token())
    ask(guarding, token())
    ask(guarding, token(exp=FromNow(-60)))
    ask(guarding, token(), needs=Needs(scopes=("delete",)))
    guarding.require(guarding.validate(token()), Needs())
    found = samples(guarding.metrics())
    name = "token_guard_requests_total"
    assert found[name, "accepted", ""] == 3
    assert found[name, "refused", "expired"] == 1
    assert found[name, "refused", "scope"] == 1
    assert found["token_guard_jwks_fetches_total", ISSUER] == 1
    assert found["token_guard_jwks_stale", ISSUER] == 0
    assert found["token_guard_jwks_age_seconds", ISSUER] >= 0
    assert found["token_guard_status_lists",] == 0


def test_who_only_looks_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    guarding = guard(cache_seconds=10)
    looking = guarding.unobserved()
    with caplog.at_level(logging.DEBUG):
        ask(looking, token(), trace_id="one")
        ask(looking, token(exp=FromNow(-60)), trace_id="two")
    assert caplog.records == []
    assert looking.refusal("two") is None
    assert not [name for name in samples(guarding.metrics()) if name[0] == "token_guard_requests_total"]
    ask(guarding, token())
    assert samples(guarding.metrics())["token_guard_requests_total", "accepted", ""] == 1


def test_an_outage_is_counted_apart() -> None:
    def away(_trust: IssuerTrust) -> Fetched:
        raise FetchError("away")

    guarding = Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=away)
    ask(guarding, token())
    found = samples(guarding.metrics())
    assert found["token_guard_requests_total", "unknown", "keys_away"] == 1
    assert found["token_guard_jwks_failures_total", ISSUER] == 1
    assert ("token_guard_jwks_age_seconds", ISSUER) not in found


def test_a_refusal_is_found_by_its_trace_id_with_advice_and_without_the_token() -> None:
    guarding, presented = guard(journal=2), token(aud="https://other.test")
    ask(guarding, presented, "one")
    found = guarding.refusal("one")
    assert found is not None
    assert (found.outcome, found.status, found.check) == ("refused", 401, Check.AUDIENCE)
    assert "https://other.test" in found.reason
    assert "resource" in found.advice
    assert presented not in repr(found)
    assert len(found.token) == 8
    ask(guarding, presented, "two")
    ask(guarding, presented, "three")
    assert guarding.refusal("one") is None
    assert guarding.refusal("three") is not None
    assert guarding.refusal("never") is None


def test_a_refusal_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "token_guard"):
        ask(guard(), token(exp=FromNow(-60)), "abc")
    (record,) = caplog.records
    assert record.getMessage().startswith("abc refused by expired: the token expired ")


def test_an_observer_is_told_and_its_faults_stay_its_own() -> None:
    told: list[Outcome] = []

    def observe(outcome: Outcome) -> None:
        told.append(outcome)
        raise RuntimeError("the observer is broken")

    guarding = guard(observe=observe)
    ask(guarding, token(), "good")
    ask(guarding, token(exp=FromNow(-60)), "bad")
    assert [(one.outcome, one.trace_id, one.check) for one in told] == [
        ("accepted", "good", None),
        ("refused", "bad", Check.EXPIRED),
    ]
    assert guarding.validate(token())


def test_the_answer_names_the_trace_and_not_the_reason() -> None:
    with pytest.raises(GuardError) as caught:
        guard().admit(Presented(authorization=(f"Bearer {token(exp=FromNow(-60))}",), trace_id="abc"))
    description = "The access token is not valid"
    assert caught.value.body() == {"error": "invalid_token", "error_description": description, "trace_id": "abc"}
    assert "expired" in caught.value.reason
    assert "clock" in caught.value.advice
    with pytest.raises(GuardError) as caught:
        guard().admit(Presented(trace_id="abc"))
    assert caught.value.body() == {}
