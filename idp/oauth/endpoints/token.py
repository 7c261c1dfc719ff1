"""The token endpoint (RFC 6749 §3.2): the steps every grant shares, in order."""

from __future__ import annotations

from collections.abc import Iterable

from idp.errors import ProtocolError
from idp.oauth.client_auth import ClientAuthenticator
from idp.oauth.grants.face import TokenCall, TokenGrant
from idp.oauth.sender import Senders
from idp.platform.forms import parse_form
from idp.platform.http import Answer, Call, json_answer
from idp.platform.telemetry import Metrics

REPEATABLE = frozenset({"resource", "audience"})


class TokenEndpoint:
    """Form, grant type, client, permission, sender, grant: in that order, so no grant can forget one."""

    def __init__(
        self, authenticator: ClientAuthenticator, senders: Senders, grants: Iterable[TokenGrant], metrics: Metrics
    ) -> None:
        self._authenticator = authenticator
        self._senders = senders
        self._grants = {grant.grant_type: grant for grant in grants}
        self._metrics = metrics

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grants that are built, as metadata announces them."""
        return tuple(self._grants)

    def __call__(self, call: Call) -> Answer:
        if call.query:
            raise ProtocolError("invalid_request", "Parameters belong in the body")
        form = parse_form(call, repeatable=REPEATABLE)
        grant_type = form.require("grant_type")
        client = self._authenticator.authenticate(call, form)
        grant = self._grants.get(grant_type)
        if grant is None:
            raise ProtocolError("unsupported_grant_type", "This grant type is not supported")
        if grant_type not in client.grant_types:
            raise ProtocolError("unauthorized_client", "The client may not use this grant type")
        sender = self._senders.of(call, client)
        answer = grant.answer(TokenCall(form, client, call.peer, sender))
        self._metrics.count("tokens_issued", grant_type)
        return json_answer(answer, headers=sender.headers)
