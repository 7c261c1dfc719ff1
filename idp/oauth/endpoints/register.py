"""The registration endpoint (RFC 7591 §3) and each client's own configuration endpoint, the same path with its `client_id` (RFC 7592 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from idp.errors import ProtocolError, Refused, Unavailable
from idp.oauth.dynamic import DynamicRegistration, Registered, unauthorized
from idp.oauth.registration.operator import OPERATOR_FIELDS
from idp.platform.forms import parse_json, parse_query
from idp.platform.http import JSON, NO_STORE, Answer, Call, json_answer
from idp.platform.limits import Limits

METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
PATH = "/oauth/register"
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class RegistrationEndpoint:
    """`url` is our public URL; an address may register `max_an_hour` times."""

    registration: DynamicRegistration
    limits: Limits
    url: str
    max_an_hour: int

    def __call__(self, call: Call) -> Answer:
        try:
            match call.method:
                case "POST":
                    return self._register(call)
                case "PUT":
                    return self._replace(call)
                case "DELETE":
                    return self._delete(call)
                case _:
                    return self._read(call)
        except Refused as refused:
            if refused.code == "conflict":
                raise Unavailable(refused.description) from refused
            raise ProtocolError(refused.code, _plain(refused.description), detail=refused.detail) from refused

    def _register(self, call: Call) -> Answer:
        self.limits.take("registration", call.peer, limit=self.max_an_hour, window=_HOUR)
        token = _bearer(call)
        self.registration.admit(token)
        return json_answer(self._shown(self.registration.register(_document(call), token, call.peer)), 201)

    def _read(self, call: Call) -> Answer:
        return json_answer(self._shown(self.registration.read(_client_id(call), _bearer(call))))

    def _replace(self, call: Call) -> Answer:
        client_id, token = _client_id(call), _bearer(call)
        self.registration.read(client_id, token)  # who has no right to it does not learn what is wrong with the body
        return json_answer(self._shown(self.registration.replace(client_id, token, _document(call), call.peer)))

    def _delete(self, call: Call) -> Answer:
        self.registration.delete(_client_id(call), _bearer(call), call.peer)
        return Answer(204, headers=NO_STORE)

    def _shown(self, registered: Registered) -> dict[str, Any]:
        """The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""
        client = registered.client
        answer = {
            "client_id": client["client_id"],
            "client_id_issued_at": client["created_at"],
            "registration_client_uri": f"{self.url}?{urlencode({'client_id': client['client_id']})}",
            "registration_access_token": registered.token,
            **{name: value for name, value in client["document"].items() if name not in OPERATOR_FIELDS},
        }
        if registered.secret is not None:
            answer |= {"client_secret": registered.secret, "client_secret_expires_at": 0}
        if client["software_statement"] is not None:
            answer["software_statement"] = client["software_statement"]
        return answer


def _document(call: Call) -> Mapping[str, Any]:
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Refused("invalid_client_metadata", f"the body must be {JSON}")
    try:
        document = parse_json(call.body)
    except ProtocolError as error:
        raise Refused("invalid_client_metadata", "the body is not acceptable JSON") from error
    if not isinstance(document, dict):
        raise Refused("invalid_client_metadata", "the body must be a JSON object")
    return document


def _client_id(call: Call) -> str:
    client_id = parse_query(call).get("client_id")
    if client_id is None:
        raise unauthorized(None)
    return client_id


def _bearer(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _plain(description: str) -> str:
    """An error_description without the characters RFC 6749 §5.2 forbids: it may quote what a stranger sent."""
    return "".join(char for char in description if char.isascii() and char.isprintable() and char not in '"\\')
