"""An exchange that races what ends its token gives a dead token, or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.delegation.support import Service
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp
from tests.support.status import is_revoked

ROUNDS, AT_ONCE = 6, 4


def test_exchanging_while_the_grant_is_revoked_leaves_no_living_token(
    idp: RunningIdp, orders: Service, web_app: App, person: str
) -> None:
    other = idp.node()
    for _ in range(ROUNDS):
        tokens = web_app.tokens(Browser(idp.url), person, scope="openid read offline_access")
        barrier = Barrier(AT_ONCE + 1)

        def exchange(_number: int, token: str = tokens["access_token"], start: Barrier = barrier) -> dict[str, str]:
            start.wait(30)
            answer: dict[str, str] = orders.exchange(token).json()
            return answer

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(exchange, range(AT_ONCE))
            barrier.wait(30)
            assert web_app.post("/oauth/revoke", base=other, token=tokens["refresh_token"]).status_code == 200
            for answer in answers:
                if "access_token" in answer:
                    assert orders.introspect(answer["access_token"]) == {"active": False}
                    assert is_revoked(answer["access_token"])
                else:
                    assert answer["error"] == "invalid_request"


def test_many_exchanges_of_one_token_at_once_are_many_tokens(orders: Service, token: str) -> None:
    barrier = Barrier(AT_ONCE)

    def exchange(_number: int) -> str:
        barrier.wait(30)
        jti: str = orders.exchanged(token)["jti"]
        return jti

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert len(set(pool.map(exchange, range(AT_ONCE)))) == AT_ONCE
