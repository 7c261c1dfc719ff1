"""A service that exchanges tokens, as its developers write it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import requests
import sqlalchemy as sa

from idp.platform.models import AuditRow
from idp.settings_source import load
from tests.support.databases import open_database
from tests.support.flows import App, claims
from tests.support.running import RunningIdp

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
USERS = "https://users.test"


class Service(App):
    """A confidential client that is called with a token and calls on."""

    def allow(self, idp: RunningIdp, *options: str, audience: str = USERS) -> dict[str, Any]:
        """An operator's rule."""
        rule: dict[str, Any] = idp.cli("exchange", "allow", self.client_id, "--audience", audience, *options)
        return rule

    def exchange(self, token: str | None, **data: Any) -> requests.Response:
        """One exchange of an access token for the users API, unless told otherwise; None leaves a parameter out."""
        given = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": USERS, **data}
        return self.post("/oauth/token", grant_type=TOKEN_EXCHANGE, **given)

    def exchanged(self, token: str, **data: Any) -> dict[str, Any]:
        """The claims of an exchanged token, which must be given; under `token` the token itself."""
        response = self.exchange(token, **data)
        assert response.status_code == 200, response.text
        answer = response.json()["access_token"]
        return {**claims(answer), "token": answer}

    def own_token(self, **data: Any) -> str:
        """Its own token, by client credentials."""
        response = self.post("/oauth/token", grant_type="client_credentials", **data)
        assert response.status_code == 200, response.text
        token: str = response.json()["access_token"]
        return token


def refused(response: requests.Response) -> tuple[int, str]:
    """Status and error code of a refusal that says nothing else."""
    document = response.json()
    assert document.keys() <= {"error", "error_description"}, document
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, document["error"]


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for half a minute at most."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def audited(idp: RunningIdp, event: str) -> dict[str, Any]:
    """The newest entry of this kind in the audit trail, with what lies beside it of the person."""
    columns = sa.select(AuditRow.entry, AuditRow.personal).where(AuditRow.event == event)
    database = open_database(load(idp.environ).database)
    with database.read() as tx:
        row = tx.execute(columns.order_by(AuditRow.sequence.desc()).limit(1)).one()
    database.engine.dispose()
    entry: dict[str, Any] = {**json.loads(row.entry), **json.loads(row.personal or "{}")}
    return entry
