"""Calls between services over each transport: what is sent, what is repeated and how often, and when it is given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any

import pytest
from token_guard.breaker import Breaker

from resource_server.calls.caller import Budget, Caller
from resource_server.calls.transport import Call
from resource_server.edges.faces import Refused, Unreachable
from resource_server.platform import deadlines
from resource_server.platform.deadlines import Passed
from tests.calls.answering import Answering, AnsweringQueue, AnsweringRpc, Asked, Script
from tests.support.rabbitmq import RabbitMq

CREATE = Call("payments.create", {"amount": {"value": 1, "currency": "EUR"}}, "chk_1")

Service = Callable[[Script], Answering]


@pytest.fixture(scope="module")
def rabbitmq_url() -> Iterator[str]:
    if not RabbitMq.present():
        pytest.skip("no RabbitMQ server")
    with RabbitMq() as broker:
        yield broker.url


@pytest.fixture(params=["rest", "grpc", "redis", pytest.param("rabbitmq", marks=pytest.mark.full)])
def answering(request: pytest.FixtureRequest) -> Service:
    """The other service, as it is asked over each transport."""
    match request.param:
        case "rest":
            return Answering
        case "grpc":
            return AnsweringRpc
        case broker:
            return partial(AnsweringQueue, request.getfixturevalue(f"{broker}_url"))


def caller(service: Answering, budget: Budget | None = None, timeout: float = 5) -> Caller:
    return Caller(service.transport(), timeout=timeout, deadline=3 * timeout, budget=budget or Budget())


def token(_fresh: bool) -> str:
    return "a token"


def script(*answers: tuple[int, Any]) -> Callable[[Asked], tuple[int, Any]]:
    """These one after the other, the last one for ever."""
    left: Iterator[tuple[int, Any]] = iter(answers)
    return lambda _asked: next(left, answers[-1])


def test_a_call_says_who_asks_what_under_which_key_and_until_when(answering: Service) -> None:
    with answering(script((202, {"id": "op_1"}))) as service:
        reply = caller(service).call(CREATE, token, traceparent="00-1-2-00")
        (asked,) = service.asked
    assert (reply.status, reply.document["id"]) == (202, "op_1")
    assert (asked.method, asked.path, asked.body) == ("POST", "/v2/payments", CREATE.arguments)
    assert asked.headers["authorization"] == "Bearer a token"
    assert asked.headers["idempotency-key"] == "chk_1"
    assert asked.headers["traceparent"] == "00-1-2-00"
    assert 0 < float(asked.headers["request-timeout"]) <= 5 + service.rounding


def test_arguments_go_into_the_path_as_one_part_of_it_and_into_the_query(answering: Service) -> None:
    with answering(script((200, {}))) as service:
        caller(service).call(Call("payments.find", {"id": "../x?y"}), token)
        caller(service).call(Call("payments.list", {"order": "a&b"}), token)
        assert [asked.path for asked in service.asked] == ["/v2/payments/..%2Fx%3Fy", "/v2/payments?order=a%26b"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_who_is_away_is_asked_twice_more_under_the_same_key(answering: Service, status: int) -> None:
    with answering(script((status, {}), (status, b"<html>"), (200, {"id": "1"}))) as service:
        assert caller(service).call(CREATE, token).status == 200
        assert [asked.headers["idempotency-key"] for asked in service.asked] == ["chk_1"] * 3


def test_who_stays_away_is_given_up(answering: Service) -> None:
    with answering(script((503, {}))) as service:
        with pytest.raises(Unreachable):
            caller(service).call(CREATE, token)
        assert len(service.asked) == 3


def test_nobody_there_is_unreachable(answering: Service) -> None:
    with answering(script((200, {}))) as service:
        away = service
    with pytest.raises(Unreachable):
        caller(away, timeout=0.3).call(CREATE, token)


def test_an_answer_that_does_not_come_is_given_up_in_time(answering: Service) -> None:
    release = Event()

    def late(_asked: Asked) -> tuple[int, Any]:
        release.wait(30)
        return 200, {}

    with answering(late) as service:
        with pytest.raises(Unreachable):
            caller(service, timeout=0.1).call(CREATE, token)
        release.set()


def test_who_waits_for_too_short_a_time_closes_no_way_to_others(answering: Service) -> None:
    """Else anybody who says that they hardly wait could have a service left alone for a while."""
    release, breaker = Event(), Breaker(failures=2, seconds=60, now=time.monotonic)

    def late(_asked: Asked) -> tuple[int, Any]:
        release.wait(30)
        return 200, {}

    with answering(late) as service:
        calling = Caller(service.transport(), timeout=0.5, deadline=0.5, budget=Budget(), breaker=breaker)
        for _ in range(3):
            with deadlines.within(0.1), pytest.raises((Unreachable, Passed)):
                calling.call(CREATE, token)
        assert breaker.wait() == 0
        for _ in range(2):
            with pytest.raises(Unreachable):
                calling.call(CREATE, token)
        assert breaker.wait() > 0
        release.set()


def test_repeats_have_a_budget_that_calls_earn(answering: Service) -> None:
    budget = Budget(one_in=5, at_once=2)
    with answering(script((503, {}))) as service:
        for _ in range(10):
            with pytest.raises(Unreachable):
                caller(service, budget).call(CREATE, token)
        assert 12 <= len(service.asked) <= 14


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_no_is_not_asked_again(answering: Service, status: int) -> None:
    problem = {"code": "illegal_step", "detail": "No.", "retryable": False}
    with answering(script((status, problem))) as service:
        with pytest.raises(Refused) as refused:
            caller(service).call(CREATE, token)
        assert (refused.value.code, refused.value.detail, len(service.asked)) == ("illegal_step", "No.", 1)


def test_a_no_for_now_is_left_for_later(answering: Service) -> None:
    with answering(script((409, {"code": "operation_running", "retryable": True}))) as service:
        with pytest.raises(Unreachable):
            caller(service).call(CREATE, token)
        assert len(service.asked) == 1


def test_a_token_that_is_not_accepted_is_replaced_once(answering: Service) -> None:
    def judge(asked: Asked) -> tuple[int, Any]:
        return (200, {}) if asked.headers["authorization"] == "Bearer fresh" else (401, {"code": "invalid_token"})

    with answering(judge) as service:
        assert caller(service).call(CREATE, lambda fresh: "fresh" if fresh else "old").status == 200
        with pytest.raises(Refused):
            caller(service).call(CREATE, token)
        assert len(service.asked) == 4


@pytest.mark.parametrize("answer", [b"[1]", b"<html>", b'"x"'])
def test_an_answer_that_makes_no_sense_is_none(answering: Service, answer: bytes) -> None:
    with answering(script((200, answer))) as service, pytest.raises(Unreachable):
        caller(service).call(CREATE, token)


def test_a_redirect_is_not_followed(answering: Service) -> None:
    with answering(script((307, {}))) as service:
        with pytest.raises(Unreachable):
            caller(service).call(CREATE, token)
        assert len(service.asked) == 1
