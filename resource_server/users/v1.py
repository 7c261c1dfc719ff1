"""v1 of the users API."""

from __future__ import annotations

from flask import Response, jsonify

from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.users import documents, matrix
from resource_server.users.copy import UserCopies
from resource_server.users.v2 import READ, found


class UsersV1:
    """Read only."""

    def __init__(self, copies: UserCopies) -> None:
        self._copies = copies

    def mounted(self) -> list[Operation]:
        answers = {200: documents.UserShownV1}
        return [
            Operation(
                "GET",
                "/v1/users/me",
                READ,
                self.me,
                matrix.SELF,
                doc=Doc(summary="Show yourself", answers=answers, problems=("not_found",)),
            ),
            Operation(
                "GET",
                "/v1/users/<user_id>",
                READ,
                self.show,
                matrix.READ,
                doc=Doc(summary="Show a person", answers=answers),
            ),
        ]

    def me(self, access: Access) -> Response:
        """The caller's own record, as far as it has reached us."""
        return jsonify(documents.user_v1(found(self._copies, access.subject)))

    def show(self, access: Access, user_id: str) -> Response:
        access.check(user_id)
        return jsonify(documents.user_v1(found(self._copies, user_id)))
