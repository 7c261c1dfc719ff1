"""How users answer the other services, in this process and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flask import Response, jsonify
from pydantic import BaseModel
from token_guard import GuardError, Needs

from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access, access
from resource_server.api.problems import not_found
from resource_server.edges.faces import Absent, Asker, Recipient, UserSeen
from resource_server.users import documents, matrix
from resource_server.users.copy import UserCopies

DELIVER = Needs(scopes=("users:deliver",))
"""A scope for services alone, which ask for themselves."""


class UsersAnswers:
    """Fills `UsersFace`."""

    def __init__(self, copies: UserCopies) -> None:
        self._copies = copies

    def see(self, subjects: Sequence[str], asker: Asker) -> Mapping[str, UserSeen | Absent]:
        """By the row of the matrix that holds for `GET /v2/users/{id}`."""
        seen: dict[str, UserSeen | Absent] = dict.fromkeys(subjects, Absent.DENIED)
        try:
            allowed = access(asker.principal, matrix.READ)
        except GuardError:
            return seen
        within = [one for one in subjects if allowed.owner in {None, one}]
        known = {row.sub: UserSeen(row.sub, documents.user(row)) for row in self._copies.find_all(within)}
        return {**seen, **{one: known.get(one, Absent.UNKNOWN) for one in within}}

    def recipient(self, subject: str) -> Recipient | None:
        row = self._copies.find(subject[:64])
        if row is None:
            return None
        shown: Mapping[str, Any] = documents.user(row)
        names = [shown[name] for name in ("given_name", "family_name") if shown[name]]
        return Recipient(" ".join(names) or None, shown["delivery_note"])


class RecipientShown(BaseModel):
    """To whom something is sent."""

    name: str | None
    delivery_note: str | None


class Recipients:
    """What other services of ours need to know of a person without that person."""

    def __init__(self, answers: UsersAnswers) -> None:
        self._answers = answers

    def mounted(self) -> list[Operation]:
        doc = Doc(summary="Show a recipient", answers={200: RecipientShown})
        return [
            Operation("GET", "/v2/recipients/<user_id>", DELIVER, self.show, matrix.DELIVER, between=True, doc=doc),
        ]

    def show(self, access: Access, user_id: str) -> Response:
        found = self._answers.recipient(user_id)
        if found is None:
            raise not_found()
        return jsonify(asdict(found))
