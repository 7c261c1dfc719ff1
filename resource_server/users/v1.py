"""v1 of the users API."""

from __future__ import annotations

from flask import Response, jsonify
from token_guard import Needs, Principal

from resource_server.api.operation import Operation
from resource_server.api.problems import Problem
from resource_server.users.copy import UserCopies

_READ = Needs(scopes=("users:read",))


class UsersApi:
    """A person sees their own record only."""

    def __init__(self, copies: UserCopies) -> None:
        self._copies = copies

    def operations(self) -> list[Operation]:
        return [Operation("GET", "/v1/users/me", _READ, self.me)]

    def me(self, principal: Principal) -> Response:
        """The caller's own record, as far as it has reached us."""
        copy = self._copies.find(principal.subject)
        if copy is None:
            raise Problem(404, "not_found", "Your record has not reached this service, or there is none.")
        names = ("sub", "username", "email", "email_verified", "name", "given_name", "family_name", "roles")
        shown = {"id" if name == "sub" else name: copy.facts.get(name) for name in names}
        return jsonify({**shown, "created_at": copy.facts.get("created_at"), "version": copy.version})
