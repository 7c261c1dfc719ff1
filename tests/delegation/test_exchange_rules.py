"""`idp exchange`: rules are made, shown, replaced and taken away, and go with the client and the API they are about."""

from __future__ import annotations

import secrets

import pytest

from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.support import TOKEN_EXCHANGE, USERS, Service, audited
from tests.support.running import CliError, RunningIdp


def test_a_rule_is_made_shown_replaced_and_taken_away(idp: RunningIdp, new_service: NewService) -> None:
    service = new_service(allow=False)
    mine = ("exchange", "list", "--client", service.client_id)
    assert idp.cli(*mine) == []
    rule = service.allow(idp, "--scope", "read", "--scope", "users:read", "--from-audience", API)
    assert rule == {
        "client_id": service.client_id,
        "audience": USERS,
        "scopes": ["read", "users:read"],
        "from_audiences": [API],
        "impersonates": False,
    }
    assert idp.cli(*mine) == [rule]
    assert audited(idp, "exchange_rule.allowed").items() >= rule.items()
    replaced = service.allow(idp, "--scope", "read", "--impersonate")
    assert idp.cli(*mine) == [replaced]
    assert (replaced["scopes"], replaced["from_audiences"], replaced["impersonates"]) == (["read"], [], True)
    assert replaced in idp.cli("exchange", "list")
    idp.cli("exchange", "delete", service.client_id, "--audience", USERS)
    assert idp.cli(*mine) == []
    assert audited(idp, "exchange_rule.deleted")["client_id"] == service.client_id


def test_rules_are_told_in_words(idp: RunningIdp, new_service: NewService) -> None:
    service = new_service("--scope", "read")
    told = idp.run("exchange", "list", "--client", service.client_id).stdout
    for words in (service.client_id, USERS, "read", "any API"):
        assert words in told


REFUSALS = [
    (("--audience", "https://unheard-of.test", "--scope", "read"), "is not a resource"),
    (("--audience", USERS, "--scope", "unheard-of"), "is not a scope"),
    (("--audience", USERS, "--scope", "openid"), "is not a scope"),
    (
        ("--audience", USERS, "--scope", "read", "--from-audience", "https://x.test"),
        "neither a resource nor the issuer",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSALS)
def test_a_rule_that_could_not_hold_is_refused(
    idp: RunningIdp, orders: Service, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CliError, match=sentence):
        idp.cli("exchange", "allow", orders.client_id, *options)


def test_only_a_client_that_registered_the_grant_gets_a_rule(idp: RunningIdp, users_api: str) -> None:
    with pytest.raises(CliError, match="no such client"):
        idp.cli("exchange", "allow", "nobody", "--audience", users_api, "--scope", "read")
    plain = idp.client(grant_types=["client_credentials"])["client_id"]
    with pytest.raises(CliError, match="has not registered"):
        idp.cli("exchange", "allow", plain, "--audience", users_api, "--scope", "read")
    with pytest.raises(CliError, match="no such rule"):
        idp.cli("exchange", "delete", plain, "--audience", users_api)
    with pytest.raises(CliError, match="public client"):
        idp.client(grant_types=[TOKEN_EXCHANGE], token_endpoint_auth_method="none")


def test_a_rule_goes_with_its_client_and_its_api(idp: RunningIdp, new_service: NewService) -> None:
    name, uri = f"svc-{secrets.token_hex(4)}", f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", uri, "--scope", "read=Read")
    service = new_service("--scope", "read", client_id=name)
    service.allow(idp, "--scope", "read", audience=uri)
    mine = ("exchange", "list", "--client", name)
    assert len(idp.cli(*mine)) == 2
    idp.cli("resource", "delete", uri)
    assert [rule["audience"] for rule in idp.cli(*mine)] == [USERS]
    idp.cli("client", "delete", name)
    new_service(allow=False, client_id=name)
    assert idp.cli(*mine) == []
