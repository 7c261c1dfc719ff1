"""Revoking while tokens are being given: whoever comes second sees the first, so no living token is left behind on any node."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests

from tests.conftest import API
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp
from tests.support.status import is_revoked, place_of

SCOPE = "openid offline_access read"
ROUNDS = 12
Work = Callable[[], requests.Response | None]


@pytest.fixture(scope="module")
def nodes(idp: RunningIdp) -> Sequence[str]:
    """Two server processes on one database."""
    return (idp.url, idp.node())


def together(*works: Work) -> list[requests.Response | None]:
    """All at once; their answers."""
    barrier = Barrier(len(works))

    def one(work: Work) -> requests.Response | None:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def given(responses: Sequence[requests.Response | None]) -> list[str]:
    """The access tokens among the answers."""
    answers = [response.json() for response in responses if response is not None and response.content]
    return [answer["access_token"] for answer in answers if "access_token" in answer]


def new_person(idp: RunningIdp, *options: str) -> str:
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, *options)
    return name


def code_form(app: App, answer: dict[str, str], verifier: str) -> dict[str, str]:
    """What redeems the code of an authorization response."""
    code = {"code": answer["code"], "code_verifier": verifier, "redirect_uri": app.redirect_uri}
    return {"grant_type": "authorization_code", **code}


def own_app(idp: RunningIdp) -> App:
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    return App(idp.url, idp.client(redirect_uris=["https://own.test/"], grant_types=grants, audience=[API]))


def test_nodes_that_issue_at_once_give_every_token_a_place_of_its_own(
    idp: RunningIdp, nodes: Sequence[str], service: App
) -> None:
    def some(base: str) -> list[requests.Response]:
        return [service.post("/oauth/token", base=base, grant_type="client_credentials") for _ in range(60)]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answers in pool.map(some, [*nodes] * 4) for answer in answers]
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    assert len({place_of(answer.json()["access_token"]) for answer in answers}) == 480


def test_a_refresh_beside_a_revocation_leaves_no_living_token(
    idp: RunningIdp, nodes: Sequence[str], web_app: App
) -> None:
    person = new_person(idp)
    for number in range(ROUNDS):
        tokens = web_app.tokens(Browser(idp.url), person, scope=SCOPE)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        here, there = nodes[number % 2], nodes[(number + 1) % 2]
        answers = together(
            lambda form=form, base=here: web_app.post("/oauth/token", base=base, **form),  # type: ignore[misc]
            lambda tokens=tokens, base=there: web_app.post("/oauth/revoke", base=base, token=tokens["refresh_token"]),  # type: ignore[misc]
        )
        assert all(is_revoked(token) for token in [tokens["access_token"], *given(answers)])


def test_a_refresh_or_a_code_beside_the_disabling_of_a_person_leaves_no_living_token(
    idp: RunningIdp, nodes: Sequence[str], web_app: App
) -> None:
    for number in range(ROUNDS):
        person = new_person(idp)
        tokens = web_app.tokens(Browser(idp.url), person, scope=SCOPE)
        answer, verifier = web_app.login(Browser(idp.url), person, scope=SCOPE)
        code = code_form(web_app, answer, verifier)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answers = together(*posts(web_app, nodes, number, code, form), ending(idp, "user", "disable", person))
        assert all(is_revoked(token) for token in [tokens["access_token"], *given(answers)])


def test_a_refresh_or_a_code_beside_the_loss_of_a_role_leaves_no_living_token_that_has_it(
    idp: RunningIdp, nodes: Sequence[str], web_app: App
) -> None:
    for number in range(ROUNDS):
        person = new_person(idp, "--role", "reader")
        tokens = web_app.tokens(Browser(idp.url), person, scope=SCOPE)
        answer, verifier = web_app.login(Browser(idp.url), person, scope=SCOPE)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        lost = ending(idp, "user", "update", person, "--role", "")
        answers = together(*posts(web_app, nodes, number, code_form(web_app, answer, verifier), form), lost)
        assert is_revoked(tokens["access_token"])
        assert all(claims(token)["roles"] == [] or is_revoked(token) for token in given(answers))
        assert len(given(answers)) == 2, "nobody was logged out"


def test_tokens_beside_the_disabling_of_a_client_leave_none_alive(idp: RunningIdp, nodes: Sequence[str]) -> None:
    person = new_person(idp)
    for number in range(ROUNDS):
        app = own_app(idp)
        tokens = app.tokens(Browser(idp.url), person, scope=SCOPE)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        own = {"grant_type": "client_credentials"}
        answers = together(*posts(app, nodes, number, form, own, own), ending(idp, "client", "disable", app.client_id))
        late = [app.post("/oauth/token", base=base, **own) for base in nodes]
        assert all(is_revoked(token) for token in [tokens["access_token"], *given([*answers, *late])])


def posts(app: App, nodes: Sequence[str], number: int, *forms: dict[str, str]) -> list[Work]:
    """Token requests, to one node and the other."""

    def post(form: dict[str, str], base: str) -> requests.Response:
        return app.post("/oauth/token", base=base, **form)

    return [
        lambda form=form, base=nodes[(number + place) % 2]: post(form, base)  # type: ignore[misc]
        for place, form in enumerate(forms)
    ]


def ending(idp: RunningIdp, *command: str) -> Work:
    def end() -> None:
        idp.cli(*command)

    return end
