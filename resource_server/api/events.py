"""The receiver of pushed Security Event Tokens (RFC 8417, RFC 8935): one for all services of a process, and an address for each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from flask import Response, request
from token_guard import Guard, GuardError

from resource_server.api import bodies
from resource_server.api.operation import Operation
from resource_server.api.revocations import Revocations
from resource_server.api.service import Listener

TYPES = frozenset({"secevent+jwt"})
CONTENT_TYPE = "application/secevent+jwt"
log = structlog.get_logger("rs.events")


class Unacceptable(Exception):
    """A token or an event that cannot be taken over; `code` is one of RFC 8935 §2.4."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class EventReceiver:
    """`guard` judges the tokens, which `issuer` must have signed for `receives_as`, and heeds what they say of revocations, which is kept for
    other processes as well; `listeners` get every event."""

    def __init__(
        self,
        guard: Guard,
        *,
        issuer: str,
        receives_as: str,
        revocations: Sequence[Revocations],
        listeners: Sequence[Listener],
        services: Sequence[str],
    ) -> None:
        self._guard = guard
        self._issuer = issuer
        self._receives_as = receives_as
        self._revocations = revocations
        self._listeners = listeners
        self._services = services

    def operations(self) -> list[Operation]:
        """`/events` for whatever this process is, and `/events/{service}`, by which each is told where they run apart behind one address."""
        paths = ("/events", *(f"/events/{service}" for service in self._services))
        return [Operation("POST", path, None, self.receive) for path in paths]

    def receive(self) -> Response:
        """One pushed token: 202 once it is taken over (RFC 8935 §2.2)."""
        try:
            claims = self._claims()
            self._apply(claims)
        except Unacceptable as error:
            body = json.dumps({"err": error.code, "description": error.description})
            return Response(body, 400, content_type="application/json")
        return Response(status=202)

    def _claims(self) -> Mapping[str, Any]:
        if request.mimetype != CONTENT_TYPE:
            raise Unacceptable("invalid_request", f"The body must be {CONTENT_TYPE}")
        try:
            claims = self._guard.verify(bodies.raw().decode("ascii", "replace"), types=TYPES)
        except GuardError as error:
            if error.status == 503:
                raise
            log.warning("event refused", reason=error.reason)
            raise Unacceptable("authentication_failed", "The event is not signed by the issuer") from error
        if claims.get("iss") != self._issuer:  # the services trust each other too, but not with this
            raise Unacceptable("authentication_failed", "The event is not signed by the issuer")
        if claims.get("aud") not in (self._receives_as, [self._receives_as]):
            raise Unacceptable("invalid_audience", "The event is for somebody else")
        return claims

    def _apply(self, claims: Mapping[str, Any]) -> None:
        events = claims.get("events")
        if not isinstance(events, dict):
            raise Unacceptable("invalid_request", "There are no events")
        self._guard.heed(claims)
        for revocations in self._revocations:
            revocations.keep(claims)
        for name, event in events.items():
            for listener in self._listeners:
                listener(name, event)
