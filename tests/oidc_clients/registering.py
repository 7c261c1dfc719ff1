"""A developer who registers a client and keeps it."""

from __future__ import annotations

import json
from typing import Any

import requests
import sqlalchemy as sa

from idp.platform.models import AuditRow
from idp.settings_source import load
from tests.support.databases import open_database
from tests.support.running import RunningIdp

CALLBACK = "https://app.test/callback"


def post(base: str, document: Any = None, *, token: str | None = None, **sent: Any) -> requests.Response:
    """One registration request."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    body = {"json": document} if document is not None else {}
    return requests.post(f"{base}/oauth/register", headers={**headers, **sent.pop("headers", {})}, **body, **sent)


def registered(base: str, **metadata: Any) -> Owned:
    """A client that registered itself; `redirect_uris` unless given."""
    answer = post(base, {"redirect_uris": [CALLBACK], **metadata})
    assert answer.status_code == 201, answer.text
    return Owned(answer.json())


def refusal(answer: requests.Response) -> str:
    """The error code of a refused registration: always 400 JSON, always in plain words."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json"), answer.text
    document = answer.json()
    assert document.keys() <= {"error", "error_description"}
    description = document["error_description"]
    assert description.isascii() and not {'"', "\\"} & set(description)
    return str(document["error"])


def audited(idp: RunningIdp, client_id: str) -> list[dict[str, Any]]:
    """What the audit trail tells of a client."""
    database = open_database(load(idp.environ).database)
    with database.read() as tx:
        entries = [json.loads(entry) for (entry,) in tx.execute(sa.select(AuditRow.entry).order_by(AuditRow.sequence))]
    database.engine.dispose()
    return [entry for entry in entries if entry.get("client_id") == client_id]


class Owned:
    """A registered client and what its owner may do with it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.client_id: str = document["client_id"]
        self.url: str = document["registration_client_uri"]
        self.token: str = document["registration_access_token"]

    def call(self, method: str, document: Any = None, token: str | None = None) -> requests.Response:
        """A request to the client's configuration endpoint."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return requests.request(method, self.url, json=document, headers=headers, timeout=30)

    def read(self) -> dict[str, Any]:
        answer = self.call("GET")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def put(self, **metadata: Any) -> requests.Response:
        return self.call("PUT", {"client_id": self.client_id, **metadata})
