"""`/account/access`: people see who may do what with their account, to the last detail, and who acted for them."""

from __future__ import annotations

import json
import secrets

from tests.account.support import shown, signed_in
from tests.conftest import API
from tests.delegation.support import TOKEN_EXCHANGE, Service
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

PATH = "/account/access"
SCOPE = "openid offline_access read"


def test_roles_are_told(idp: RunningIdp, person: str) -> None:
    assert "Your roles reader" in shown(idp, signed_in(idp, person), PATH)
    assert "reader" not in shown(idp, signed_in(idp, "alice"), PATH)


def test_what_apps_may_do_is_told_api_by_api(idp: RunningIdp, person: str, web_app: App) -> None:
    web_app.tokens(Browser(idp.url), person, scope=SCOPE)
    text = shown(idp, signed_in(idp, person), PATH)
    for words in ("Web App", "About you", "Know that it is you", "The API", "Read things"):
        assert words in text


def test_details_that_were_granted_are_said_while_they_live(idp: RunningIdp, person: str) -> None:
    kind = f"payment_{secrets.token_hex(3)}"
    idp.cli(
        *("details-type", "create", kind, "--schema", "-", "--name", "A payment from your account"),
        *("--resource", API, "--words", "Pay {sum:money} to {to}"),
        stdin=json.dumps({"type": "object"}),
    )
    document = {
        "client_name": "Payer",
        "redirect_uris": ["https://payer.test/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "audience": [API],
        "authorization_details_types": [kind],
    }
    app = App(idp.url, idp.client(**document))
    entry = {"type": kind, "sum": {"value": 1234, "currency": "EUR"}, "to": "<b>Bob</b>"}
    app.tokens(Browser(idp.url), person, scope=SCOPE, authorization_details=json.dumps([entry]))
    browser = signed_in(idp, person)
    text = shown(idp, browser, PATH)
    assert "A payment from your account" in text
    assert "Pay 12.34 EUR to <b>Bob</b>" in text
    assert "<b>Bob" not in browser.open(f"{idp.url}{PATH}").text
    page = browser.open(f"{idp.url}/account/apps").text
    assert "Payer" in page


def test_a_service_that_acts_for_a_person_is_told(idp: RunningIdp, person: str, web_app: App) -> None:
    ledger = f"https://ledger-{secrets.token_hex(3)}.test"
    idp.cli("resource", "create", ledger, "--name", "The ledger", "--scope", "book=Book in your name")
    service = Service(
        idp.url,
        idp.client(
            client_name="Bookkeeper", grant_types=["client_credentials", TOKEN_EXCHANGE], audience=[API, ledger]
        ),
    )
    idp.cli("exchange", "allow", service.client_id, "--audience", ledger, "--scope", "book", "--from-audience", API)
    browser = signed_in(idp, person)
    assert "Bookkeeper" not in shown(idp, browser, PATH)
    token = web_app.tokens(Browser(idp.url), person, scope=SCOPE)["access_token"]
    text = shown(idp, browser, PATH)
    assert "Bookkeeper , when an app of yours asks it The ledger Book in your name" in text
    assert service.exchange(token, audience=ledger, scope="book").status_code == 200
    assert "Bookkeeper , when an app of yours asks it last used" in shown(idp, browser, PATH)
    assert "A service acted for you" in shown(idp, browser, "/account/activity")
