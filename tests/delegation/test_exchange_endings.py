"""What ends a token ends what was exchanged for it, at once: the grant, the login, the person, the clients, the token itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.support import ID_TOKEN, TOKEN_EXCHANGE, Service, refused
from tests.support.flows import App, Browser, Page
from tests.support.running import RunningIdp
from tests.support.status import is_revoked


class Chain:
    """A person's login at an app of its own, and the tokens that two services got for its token, one after the other."""

    def __init__(self, idp: RunningIdp, new_service: NewService, person: str) -> None:
        metadata = {"redirect_uris": ["https://app.test/cb"], "grant_types": ["authorization_code", "refresh_token"]}
        self.idp, self.person = idp, person
        self.app = App(idp.url, idp.client(audience=[API], **metadata))
        self.browser = Browser(idp.url)
        self.tokens = self.app.tokens(self.browser, person, scope="openid read offline_access")
        self.first, self.second = new_service("--scope", "read"), new_service("--scope", "read")
        self.once = self.first.exchanged(self.tokens["access_token"])["token"]
        self.twice = self.second.exchanged(self.once)["token"]

    def living(self) -> tuple[bool, bool]:
        """Whether the two exchanged tokens live: introspection and the status lists agree."""
        found = self.first.introspect(self.once)["active"], self.second.introspect(self.twice)["active"]
        assert found == (not is_revoked(self.once), not is_revoked(self.twice))
        return found


@pytest.fixture
def chain(idp: RunningIdp, new_service: NewService, person: str) -> Chain:
    made = Chain(idp, new_service, person)
    assert made.living() == (True, True)
    return made


ENDINGS: dict[str, Callable[[Chain], Any]] = {
    "the grant": lambda chain: chain.app.post("/oauth/revoke", token=chain.tokens["refresh_token"]),
    "the token": lambda chain: chain.app.post("/oauth/revoke", token=chain.tokens["access_token"]),
    "the person is disabled": lambda chain: chain.idp.cli("user", "disable", chain.person),
    "the person is deleted": lambda chain: chain.idp.cli("user", "delete", chain.person),
    "the password": lambda chain: chain.idp.cli(
        "user", "set-password", chain.person, "--password-stdin", stdin="another horse 48 staple\n"
    ),
    "the app is disabled": lambda chain: chain.idp.cli("client", "disable", chain.app.client_id),
    "the app is deleted": lambda chain: chain.idp.cli("client", "delete", chain.app.client_id),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_what_ends_the_first_token_ends_all(chain: Chain, end: Callable[[Chain], Any]) -> None:
    end(chain)
    assert chain.living() == (False, False)
    assert all(map(is_revoked, (chain.tokens["access_token"], chain.once, chain.twice))), "APIs learn it from the list"
    for service, token in ((chain.first, chain.tokens["access_token"]), (chain.second, chain.once)):
        assert refused(service.exchange(token))[0] == 400


def test_a_token_that_is_revoked_in_the_middle_ends_what_came_of_it(chain: Chain) -> None:
    chain.first.post("/oauth/revoke", token=chain.once)
    assert chain.living() == (False, False)
    assert is_revoked(chain.once)
    assert is_revoked(chain.twice)
    assert chain.app.introspect(chain.tokens["access_token"])["active"]
    assert not is_revoked(chain.tokens["access_token"])


def test_a_service_may_revoke_its_own_exchanged_token_alone(chain: Chain) -> None:
    chain.app.post("/oauth/revoke", token=chain.twice)
    assert chain.living() == (True, True)
    chain.second.post("/oauth/revoke", token=chain.twice)
    assert chain.living() == (True, False)
    assert (is_revoked(chain.once), is_revoked(chain.twice)) == (False, True)


def test_a_disabled_service_has_no_tokens_and_gets_none(idp: RunningIdp, chain: Chain) -> None:
    idp.cli("client", "disable", chain.first.client_id)
    assert chain.second.introspect(chain.once) == {"active": False}
    idp.cli("client", "enable", chain.first.client_id)
    assert chain.first.introspect(chain.once) == {"active": False}
    assert is_revoked(chain.once)
    fresh = chain.first.exchanged(chain.tokens["access_token"])["token"]
    assert chain.first.introspect(fresh)["active"], (
        "its token is younger than its being disabled, though the grant is older"
    )


def test_logging_out_ends_what_was_exchanged_for_tokens_of_the_session(
    idp: RunningIdp, orders: Service, web_app: App, person: str
) -> None:
    browser = Browser(idp.url)
    token = web_app.tokens(browser, person, scope="openid read")["access_token"]
    exchanged = orders.exchanged(token)["token"]
    browser.submit(Page(browser.open(f"{idp.url}/oauth/logout")), "logout", confirm="yes")
    assert orders.introspect(exchanged) == {"active": False}
    assert is_revoked(exchanged)
    assert refused(orders.exchange(token)) == (400, "invalid_request")


def test_a_login_that_is_over_is_not_exchanged(idp: RunningIdp, person: str, users_api: str) -> None:
    metadata = {"grant_types": ["authorization_code", TOKEN_EXCHANGE], "redirect_uris": ["https://own.test/cb"]}
    app = Service(idp.url, idp.client(audience=[API], **metadata))
    app.allow(idp, "--scope", "users:read", "--from-audience", idp.issuer)
    browser = Browser(idp.url)
    token = app.tokens(browser, person, scope="openid read")["id_token"]
    exchanged = app.exchanged(token, subject_token_type=ID_TOKEN)["token"]
    browser.submit(Page(browser.open(f"{idp.url}/oauth/logout")), "logout", confirm="yes")
    assert app.introspect(exchanged) == {"active": False}
    assert refused(app.exchange(token, subject_token_type=ID_TOKEN)) == (400, "invalid_request")


def test_a_service_whose_token_was_exchanged_takes_it_back_by_being_disabled(
    idp: RunningIdp, orders: Service, new_service: NewService
) -> None:
    origin = new_service(allow=False)
    exchanged = orders.exchanged(origin.own_token(resource=API))["token"]
    assert orders.introspect(exchanged)["active"]
    assert not is_revoked(exchanged)
    idp.cli("client", "disable", origin.client_id)
    assert orders.introspect(exchanged) == {"active": False}
    assert is_revoked(exchanged)
    assert is_revoked(exchanged)


def test_a_rule_that_is_taken_away_counts_at_once(idp: RunningIdp, new_service: NewService, token: str) -> None:
    service = new_service("--scope", "read")
    service.exchanged(token)
    idp.cli("exchange", "delete", service.client_id, "--audience", "https://users.test")
    assert refused(service.exchange(token)) == (400, "invalid_target")
