"""v1 of the users API, and the receiver of the events that feed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Response, jsonify, request
from token_guard import Guard, GuardError, Principal

from resource_server.api import bodies
from resource_server.api.operation import Operation
from resource_server.api.problems import Problem
from resource_server.users.copy import UserCopies

EVENT = "urn:idp:event:user."
SET_TYPE = frozenset({"secevent+jwt"})
CONTENT_TYPE = "application/secevent+jwt"
log = structlog.get_logger("rs.users")


class UsersApi:
    """`guard` judges pushed events, too; `receives_as` is the audience they must name."""

    def __init__(self, copies: UserCopies, guard: Guard, *, receives_as: str) -> None:
        self._copies = copies
        self._guard = guard
        self._receives_as = receives_as

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/v1/users/me", ("users:read",), self.me),
            Operation("POST", "/events", None, self.receive),
        ]

    def me(self, principal: Principal) -> Response:
        """The caller's own record, as far as it has reached us."""
        copy = self._copies.find(principal.subject)
        if copy is None:
            raise Problem(404, "not_found", "Your record has not reached this service, or there is none.")
        names = ("sub", "username", "email", "email_verified", "name", "given_name", "family_name", "roles")
        shown = {"id" if name == "sub" else name: copy.facts.get(name) for name in names}
        return jsonify({**shown, "created_at": copy.facts.get("created_at"), "version": copy.version})

    def receive(self) -> Response:
        """One pushed Security Event Token (RFC 8935 §2): 202 once it is taken over."""
        try:
            claims = self._claims()
            self._apply(claims)
        except _Unacceptable as error:
            body = json.dumps({"err": error.code, "description": error.description})
            return Response(body, 400, content_type="application/json")
        return Response(status=202)

    def _claims(self) -> Mapping[str, Any]:
        if request.mimetype != CONTENT_TYPE:
            raise _Unacceptable("invalid_request", f"The body must be {CONTENT_TYPE}")
        try:
            claims = self._guard.verify(bodies.raw().decode("ascii", "replace"), types=SET_TYPE)
        except GuardError as error:
            if error.status == 503:
                raise
            log.warning("event refused", reason=error.reason)
            raise _Unacceptable("authentication_failed", "The event is not signed by the issuer") from error
        if claims.get("aud") not in (self._receives_as, [self._receives_as]):
            raise _Unacceptable("invalid_audience", "The event is for somebody else")
        return claims

    def _apply(self, claims: Mapping[str, Any]) -> None:
        events = claims.get("events")
        if not isinstance(events, dict):
            raise _Unacceptable("invalid_request", "There are no events")
        for name, event in events.items():
            if name.startswith(EVENT):
                self._copies.apply(_facts(event), gone=name == f"{EVENT}deleted")


class _Unacceptable(Exception):
    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


def _facts(event: Any) -> Mapping[str, Any]:
    user = event.get("user") if isinstance(event, dict) else None
    if not isinstance(user, dict) or not isinstance(user.get("sub"), str) or not isinstance(user.get("version"), int):
        raise _Unacceptable("invalid_request", "The event does not say whom it is about")
    return user
