"""What operations need beyond a good token: roles, a better or younger login, actors, authorization details that are used once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from token_guard import ActorPolicy, Check, DetailsNeed, Guard, GuardError, IssuerTrust, Needs, Principal, at_least
from token_guard.fetch import Fetched
from token_guard.once import MemoryOnce
from token_guard.once_sql import SqlOnce

from tests.guard.minting import AUDIENCE, ISSUER, FromNow, jwks, token

ORDER = ("1fa", "2fa", "phr")
ALGS = 'DPoP algs="ES256 RS256 PS256 Ed25519 EdDSA"'


def guard(**options: Any) -> Guard:
    return Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(), 300), **options)


def caller(**claims: Any) -> Principal:
    return guard().validate(token(**claims), Needs(actors=ActorPolicy(max_depth=8)))


def refusal(principal: Principal, needs: Needs) -> GuardError:
    with pytest.raises(GuardError) as caught:
        guard().require(principal, needs)
    return caught.value


def test_one_of_the_roles_is_enough_and_none_is_403_without_a_challenge() -> None:
    needs = Needs(scopes=("read",), roles=("finance", "admin"))
    guard().require(caller(roles=["support", "admin"]), needs)
    for roles in (None, [], ["support"]):
        error = refusal(caller(roles=roles), needs)
        assert (error.status, error.code, error.check) == (403, "access_denied", Check.ROLE)
        assert error.headers() == {}
    assert refusal(caller(scope="", roles=["admin"]), needs).check is Check.SCOPE


def test_a_stronger_login_is_asked_for_with_what_would_do() -> None:
    needs = Needs(acr_values=at_least("2fa", order=ORDER))
    for acr in ("2fa", "phr"):
        guard().require(caller(acr=acr), needs)
    for acr in ("1fa", None, "3fa"):
        error = refusal(caller(acr=acr), needs)
        assert (error.status, error.code, error.check) == (401, "insufficient_user_authentication", Check.STEP_UP)
        description = 'error_description="A stronger or more recent login is needed"'
        assert error.headers()["WWW-Authenticate"] == (
            f'Bearer error="insufficient_user_authentication", {description}, acr_values="2fa phr", {ALGS}'
        )


def test_a_more_recent_login_is_asked_for() -> None:
    needs = Needs(max_age=300)
    guard().require(caller(auth_time=FromNow(-200)), needs)
    for auth_time in (FromNow(-400), None):
        error = refusal(caller(auth_time=auth_time), needs)
        assert error.code == "insufficient_user_authentication"
        assert 'max_age="300"' in error.headers()["WWW-Authenticate"]
        assert "acr_values" not in error.headers()["WWW-Authenticate"]


def test_what_depends_on_the_value_is_asked_where_the_value_is_known() -> None:
    guarding, high = guard(), Needs(acr_values=("2fa",), max_age=300)
    principal = guarding.authenticate(f"Bearer {token(acr='1fa', auth_time=FromNow(-10))}", Needs(scopes=("write",)))
    with pytest.raises(GuardError) as caught:
        guarding.require(principal, high)
    challenge = caught.value.headers()["WWW-Authenticate"]
    assert 'acr_values="2fa"' in challenge
    assert 'max_age="300"' in challenge


def test_an_order_has_what_is_asked_of_it() -> None:
    assert at_least("1fa", order=ORDER) == ORDER
    with pytest.raises(ValueError):
        at_least("4fa", order=ORDER)


def acting(*services: str) -> dict[str, Any] | None:
    act: dict[str, Any] | None = None
    for service in reversed(services):
        act = {"sub": service} if act is None else {"sub": service, "act": act}
    return act


def test_a_chain_of_services_has_a_length_and_a_last_one_who_is_let_in() -> None:
    guard().require(caller(act=acting("a", "b", "c")), Needs())
    assert refusal(caller(act=acting("a", "b", "c", "d")), Needs()).check is Check.ACTOR
    only = Needs(actors=ActorPolicy(allowed=frozenset({"orders"})))
    guard().require(caller(act=acting("orders", "web")), only)
    guard().require(caller(), only)
    error = refusal(caller(act=acting("web", "orders")), only)
    assert (error.status, error.code, error.check) == (403, "access_denied", Check.ACTOR)
    assert refusal(caller(), Needs(actors=ActorPolicy(required=True))).check is Check.ACTOR
    assert refusal(caller(act=acting("a", "b")), Needs(actors=ActorPolicy(max_depth=1))).check is Check.ACTOR


DETAIL = {
    "type": "payment_initiation",
    "actions": ["create", "read"],
    "locations": ["https://api.test/payments"],
    "instructed_amount": {"value": 1234, "currency": "EUR"},
    "order": "ord_1",
}


def pays(value: int = 1234, currency: str = "EUR", order: str = "ord_1") -> Callable[[Any], bool]:
    def fits(detail: Any) -> bool:
        amount = detail["instructed_amount"]
        return bool(amount["value"] == value and amount["currency"] == currency and detail["order"] == order)

    return fits


def payment(**changes: Any) -> DetailsNeed:
    good = {"type": "payment_initiation", "actions": ("create",), "locations": ("https://api.test/payments",)}
    return DetailsNeed(**{**good, "fits": pays(), **changes})


def test_exactly_what_was_authorized_may_be_done() -> None:
    principal = caller(authorization_details=[{"type": "other"}, DETAIL])
    guard().require(principal, Needs(details=payment()))
    wrong: list[dict[str, Any]] = [
        {"type": "account_information"},
        {"actions": ("create", "refund")},
        {"locations": ("https://api.test/orders",)},
        {"fits": pays(1235)},
        {"fits": pays(currency="USD")},
        {"fits": pays(order="ord_2")},
    ]
    for changes in wrong:
        error = refusal(principal, Needs(details=payment(**changes)))
        assert (error.status, error.code) == (403, "insufficient_authorization_details")
        assert error.check is Check.DETAILS


@pytest.mark.parametrize(
    "detail",
    [
        {**DETAIL, "instructed_amount": None},
        {**DETAIL, "instructed_amount": {"value": "1234"}},
        {name: value for name, value in DETAIL.items() if name != "order"},
        {**DETAIL, "actions": "create"},
        {**DETAIL, "actions": None},
        {**DETAIL, "locations": "https://api.test/payments"},
        {**DETAIL, "locations": []},
    ],
    ids=str,
)
def test_a_detail_of_a_strange_shape_allows_nothing(detail: dict[str, Any]) -> None:
    assert refusal(caller(authorization_details=[detail]), Needs(details=payment())).status == 403


def test_a_token_without_details_passes_only_where_none_are_required() -> None:
    assert refusal(caller(), Needs(details=payment())).check is Check.DETAILS
    guard().require(caller(), Needs(details=payment(required=False)))
    guard().require(caller(authorization_details=[{"type": "other"}]), Needs(details=payment(required=False)))
    narrow = caller(authorization_details=[{**DETAIL, "order": "ord_9"}])
    assert refusal(narrow, Needs(details=payment(required=False))).check is Check.DETAILS


def test_a_detail_is_used_once() -> None:
    guarding, principal = guard(), caller(authorization_details=[DETAIL])
    guarding.require(principal, Needs(details=payment()))
    used = guarding.use_detail(principal, payment())
    assert used is not None
    assert used["order"] == "ord_1"
    with pytest.raises(GuardError) as caught:
        guarding.use_detail(principal, payment())
    assert (caught.value.status, caught.value.check) == (403, Check.DETAILS_USED)
    assert guarding.use_detail(caller(jti="token-2", authorization_details=[DETAIL]), payment())
    assert guarding.use_detail(caller(), payment(required=False)) is None


def test_what_counts_as_the_same_is_the_apps_to_say() -> None:
    guarding = guard()
    by_order = payment(same=lambda _principal, detail: detail["order"])
    assert guarding.use_detail(caller(jti="first", authorization_details=[DETAIL]), by_order)
    with pytest.raises(GuardError) as caught:
        guarding.use_detail(caller(jti="refreshed", authorization_details=[DETAIL]), by_order)
    assert caught.value.check is Check.DETAILS_USED
    assert guarding.use_detail(caller(sub="person-2", authorization_details=[DETAIL]), by_order)


def test_of_many_uses_at_once_one_wins() -> None:
    store = MemoryOnce()
    guards, principal = (guard(once=store), guard(once=store)), caller(authorization_details=[DETAIL])
    barrier = threading.Barrier(20)

    def use(number: int) -> bool:
        barrier.wait(30)
        try:
            return guards[number % 2].use_detail(principal, payment()) is not None
        except GuardError:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(use, range(20))) == 1


def test_without_its_store_nothing_is_used() -> None:
    guarding = guard(once=SqlOnce(lambda: sqlite3.connect(":memory:")))
    with pytest.raises(GuardError) as caught:
        guarding.use_detail(caller(authorization_details=[DETAIL]), payment())
    assert (caught.value.status, caught.value.check) == (503, Check.STORE_AWAY)
