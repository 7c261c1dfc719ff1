"""How users answer the other services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resource_server.edges.faces import UserSeen
from resource_server.users import documents
from resource_server.users.copy import UserCopies


class UsersAnswers:
    """Fills `UsersFace`."""

    def __init__(self, copies: UserCopies) -> None:
        self._copies = copies

    def find_all(self, subjects: Sequence[str]) -> Mapping[str, UserSeen]:
        """Those of these people that are known, by id."""
        return {row.sub: UserSeen(row.sub, documents.user(row)) for row in self._copies.find_all(subjects)}
