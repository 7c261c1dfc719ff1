"""Logout tokens (OpenID Connect Back-Channel Logout 1.0): written with the end of the session, tried until accepted, and never lost from sight."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from idp.background import logout_runner
from idp.oauth.logout import deliveries as deliveries_store
from idp.oauth.logout.deliveries import ATTEMPTS, Delivery, DeliveryLog, LogoutPost
from idp.platform.jobs import Jobs
from idp.platform.models import AuditRow
from idp.users.people import Visitor
from idp.wiring import House
from tests.logout.receiver import PATH, ListeningApp, checked
from tests.support.clocks import ManualClock
from tests.support.flows import claims
from tests.support.ports import free_port
from vetted_http import Client as OutboundHttp

PASSWORD = "another horse 48 staple"
DAY = 86400


class Stage:
    """One person, logged in once, and the apps they use in that session."""

    def __init__(self, house: House, clock: ManualClock) -> None:
        self.house, self.clock = house, clock
        self.sub = house.accounts.create(username="ada", email="ada@example.com").sub
        self.cookie = self.log_in(self.sub)
        self.runner = logout_runner(house)

    def log_in(self, sub: str, previous: str | None = None) -> str:
        with self.house.database.write() as tx:
            return self.house.sessions.open(
                tx, sub, acr="1fa", amr=("pwd",), previous=previous, visitor=Visitor("127.0.0.1")
            )

    @property
    def sid(self) -> str:
        session = self.house.sessions.find(self.cookie) or self.house.sessions.run_out(self.cookie)
        assert session is not None
        return session.sid

    def client(self, uri: str | None, **metadata: Any) -> str:
        listening = {} if uri is None else {"backchannel_logout_uri": uri}
        document = {
            "redirect_uris": ["https://app.test/cb"],
            "id_token_signed_response_alg": "ES256",
            **listening,
            **metadata,
        }
        return str(self.house.clients.create(document)["client_id"])

    def joined(self, uri: str | None, **metadata: Any) -> str:
        """A new client that takes part in the session."""
        client_id = self.client(uri, **metadata)
        with self.house.database.write() as tx:
            assert self.house.sessions.join(tx, self.sid, client_id)
        return client_id

    def log(self, **which: Any) -> list[Delivery]:
        return DeliveryLog(self.house.database).newest(limit=100, **which)

    def states(self) -> list[tuple[str, int, str | None]]:
        return [(one.state, one.attempts, one.last_error) for one in self.log()]

    def wait_for_the_next_try(self) -> None:
        self.clock.advance(2 * 3600)

    def read(self, token: str, client_id: str, alg: str = "ES256") -> dict[str, Any]:
        jwks = json.loads(self.house.keyring.published().body)
        issuer = self.house.settings.issuer
        return checked(token, jwks, issuer=issuer, client_id=client_id, now=self.clock.now(), alg=alg)


@pytest.fixture
def stage(house: House, clock: ManualClock) -> Stage:
    return Stage(house, clock)


def test_each_app_that_listens_gets_one_token_of_its_own(stage: Stage) -> None:
    with ListeningApp() as shop, ListeningApp() as wiki:
        clients = {stage.joined(shop.uri): shop, stage.joined(wiki.uri): wiki}
        stage.joined(None)
        stage.client(shop.uri)
        sid = stage.sid
        stage.house.sessions.end(sid)
        assert stage.runner.run_due() == 2
        assert stage.runner.run_due() == 0
        jtis = set()
        for client_id, app in clients.items():
            [posted] = app.posted
            assert (posted.target, posted.content_type) == (PATH, "application/x-www-form-urlencoded")
            told = stage.read(posted.token, client_id)
            assert (told["sub"], told["sid"]) == (stage.sub, sid)
            jtis.add(told["jti"])
    assert len(jtis) == 2
    assert stage.states() == [("delivered", 1, None)] * 2
    assert {one.client_id for one in stage.log()} == clients.keys()


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "Ed25519"])
def test_the_token_is_signed_as_the_clients_id_tokens_are(stage: Stage, alg: str) -> None:
    with ListeningApp() as app:
        client_id = stage.joined(app.uri, id_token_signed_response_alg=alg)
        stage.house.sessions.end(stage.sid)
        stage.runner.run_due()
        stage.read(app.posted[0].token, client_id, alg)


def test_the_query_of_the_uri_is_kept(stage: Stage) -> None:
    with ListeningApp() as app:
        stage.joined(f"{app.uri}?tenant=a%20b")
        stage.house.sessions.end(stage.sid)
        stage.runner.run_due()
        assert app.posted[0].target == f"{PATH}?tenant=a%20b"


# -- why sessions end -------------------------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[Stage], object]] = {
    "logout": lambda stage: stage.house.sessions.end(stage.sid),
    "somebody else logs in": lambda stage: stage.log_in(
        stage.house.accounts.create(username="bob", email=None).sub, stage.cookie
    ),
    "disabled": lambda stage: stage.house.accounts.disable(stage.sub),
    "a new password": lambda stage: stage.house.accounts.set_password(stage.sub, PASSWORD),
    "deleted": lambda stage: stage.house.accounts.delete(stage.sub),
}


@pytest.mark.parametrize("pause", [0, 3600], ids=["living", "run-out"])
@pytest.mark.parametrize("why", ENDINGS)
def test_whatever_ends_the_session_is_told(stage: Stage, why: str, pause: int) -> None:
    with ListeningApp() as app:
        client_id = stage.joined(app.uri)
        sid = stage.sid
        stage.clock.advance(pause)
        ENDINGS[why](stage)
        stage.runner.run_due()
        [posted] = app.posted
        told = stage.read(posted.token, client_id)
        assert (told["sub"], told["sid"]) == (stage.sub, sid)


def test_a_session_that_merely_runs_out_tells_nobody(stage: Stage) -> None:
    """The app has a clock of its own; idle here does not mean idle there."""
    stage.joined("https://app.test/backchannel")
    stage.clock.advance(2 * DAY)
    stage.house.prune()
    assert stage.runner.run_due() == 0
    assert stage.log() == []


def test_logging_in_again_tells_nobody(stage: Stage) -> None:
    stage.joined("https://app.test/backchannel")
    stage.log_in(stage.sub, stage.cookie)
    assert stage.log() == []


def test_the_delivery_commits_with_the_end_of_the_session_or_not_at_all(stage: Stage) -> None:
    with ListeningApp() as app:
        stage.joined(app.uri)
        with pytest.raises(RuntimeError), stage.house.database.write() as tx:
            stage.house.sessions.end_all(tx, stage.sub)
            raise RuntimeError
        assert stage.runner.run_due() == 0
        assert stage.log() == []
        assert stage.house.sessions.find(stage.cookie) is not None


# -- when the app does not take it ------------------------------------------------------------------------------------


def test_an_app_that_is_down_for_a_while_is_told_when_it_is_back(stage: Stage) -> None:
    port = free_port()
    client_id = stage.joined(f"http://127.0.0.1:{port}{PATH}")
    sid = stage.sid
    stage.house.sessions.end(sid)
    assert stage.runner.run_due() == 1
    assert stage.states() == [("waiting", 1, "connect")]
    assert stage.runner.run_due() == 0, "not before its time"
    with ListeningApp(503, 400, port=port) as app:
        for tries in (2, 3):
            stage.wait_for_the_next_try()
            stage.runner.run_due()
            assert stage.states() == [("waiting", tries, f"status {503 if tries == 2 else 400}")]
        stage.wait_for_the_next_try()
        stage.runner.run_due()
        assert stage.states() == [("delivered", 4, None)]
        assert stage.read(app.posted[-1].token, client_id)["sid"] == sid, "minted at the try: neither expired nor old"
        assert len({claims(posted.token)["jti"] for posted in app.posted}) == 3
        stage.wait_for_the_next_try()
        assert stage.runner.run_due() == 0


def test_an_app_that_is_gone_for_good_is_given_up_and_the_operator_is_told(stage: Stage) -> None:
    client_id = stage.joined(f"http://127.0.0.1:{free_port()}{PATH}")
    stage.house.sessions.end(stage.sid)
    for _ in range(ATTEMPTS + 2):
        stage.runner.run_due()
        stage.wait_for_the_next_try()
    assert stage.states() == [("failed", ATTEMPTS, "connect")]
    assert [one.client_id for one in stage.log(state="failed", client_id=client_id)] == [client_id]
    assert stage.log(state="delivered") == stage.log(client_id="another") == []
    with stage.house.database.read() as tx:
        query = sa.select(AuditRow.entry).where(AuditRow.event == "logout.undelivered")
        [entry] = map(json.loads, tx.execute(query).scalars())
    assert (entry["outcome"], entry["client_id"], entry["sub"]) == ("failure", client_id, stage.sub)


def test_an_app_that_answers_elsewhere_is_not_followed(stage: Stage) -> None:
    with ListeningApp(302) as app:
        stage.joined(app.uri)
        stage.house.sessions.end(stage.sid)
        stage.runner.run_due()
        assert len(app.posted) == 1
    assert stage.states() == [("waiting", 1, "redirect")]


def test_an_address_that_is_not_let_through_is_not_called(stage: Stage) -> None:
    house, runner = stage.house, Jobs(stage.house.database, stage.clock)
    LogoutPost(
        house.database,
        house.clock,
        house.audit,
        house.client_directory,
        house.keyring,
        house.subjects,
        OutboundHttp(),
        issuer=house.settings.issuer,
    ).register(runner)
    with ListeningApp() as app:
        stage.joined(app.uri)
        house.sessions.end(stage.sid)
        runner.run_due()
        assert app.posted == []
    assert stage.states() == [("waiting", 1, "address")]


CHANGES: dict[str, Callable[[House, str], object]] = {
    "deleted": lambda house, client_id: house.clients.delete(client_id),
    "disabled": lambda house, client_id: house.clients.disable(client_id),
    "no longer listens": lambda house, client_id: house.clients.update(client_id, {"backchannel_logout_uri": None}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("late", [False, True], ids=["before", "while it waits"])
def test_an_app_that_no_longer_listens_gets_nothing(stage: Stage, change: str, late: bool) -> None:
    with ListeningApp() as app:
        client_id = stage.joined(app.uri)
        if not late:
            CHANGES[change](stage.house, client_id)
        stage.house.sessions.end(stage.sid)
        if late:
            CHANGES[change](stage.house, client_id)
        stage.runner.run_due()
        assert app.posted == []
    assert stage.states() == ([("dropped", 0, None)] if late else [])


def test_one_app_that_fails_holds_up_no_other(stage: Stage) -> None:
    with ListeningApp(500) as broken, ListeningApp() as well:
        stage.joined(broken.uri)
        stage.joined(well.uri)
        stage.house.sessions.end(stage.sid)
        stage.runner.run_due()
        assert (len(broken.posted), len(well.posted)) == (1, 1)


def test_the_log_is_kept_for_thirty_days_after_the_end(stage: Stage) -> None:
    with ListeningApp() as app:
        stage.joined(app.uri)
        stage.joined(f"http://127.0.0.1:{free_port()}{PATH}")
        stage.house.sessions.end(stage.sid)
        stage.runner.run_due()
    assert len(stage.log()) == 2

    def prune() -> int:
        with stage.house.database.write() as tx:
            return deliveries_store.prune(tx, stage.clock.now(), 100)

    stage.clock.advance(30 * DAY)
    assert prune() == 0
    stage.clock.advance(1)
    assert prune() == 1
    assert [one.state for one in stage.log()] == ["waiting"]
