"""v2 of the users API: people as the identity provider tells of them, with what this service knows of them itself."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from token_guard import Needs

from resource_server.api import bodies
from resource_server.api.conditional import check_match, with_etag
from resource_server.api.listing import QUERY, Listing, ids, ids_query
from resource_server.api.operation import Doc, Operation, Query
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem, not_found
from resource_server.platform.store import Row, Store
from resource_server.users import documents, matrix, preferences
from resource_server.users.copy import PEOPLE, UserCopies, email_key
from resource_server.users.models import UserCopy

READ, WRITE = Needs(scopes=("users:read",)), Needs(scopes=("users:write",))
USER = "/v2/users/<user_id>"
_TAG = "user"
_LIST_QUERY = (
    *QUERY,
    Query("email", {"type": "string", "maxLength": 254}, "only who has this address, in whatever case"),
    ids_query("ids", "these people"),
)


class UsersV2:
    """Read by everybody for themselves and by staff for all. `account` is the page where people change what is not ours."""

    def __init__(self, store: Store, copies: UserCopies, listing: Listing, *, account: str) -> None:
        self._store = store
        self._copies = copies
        self._listing = listing
        self._account = account

    def mounted(self) -> list[Operation]:
        shown = documents.UserShown
        return [
            Operation(
                "GET",
                "/v2/users",
                READ,
                self.list,
                matrix.LIST,
                doc=Doc(summary="List people", answers={200: documents.UserPage}, query=_LIST_QUERY),
            ),
            Operation(
                "GET",
                "/v2/users/me",
                READ,
                self.me,
                matrix.SELF,
                tagged="shown",
                doc=Doc(summary="Show yourself", answers={200: shown}, problems=("not_found",)),
            ),
            Operation(
                "GET",
                USER,
                READ,
                self.show,
                matrix.READ,
                tagged="shown",
                doc=Doc(summary="Show a person", answers={200: shown}),
            ),
            Operation(
                "PATCH",
                USER,
                WRITE,
                self.change,
                matrix.CHANGE,
                tagged="match",
                doc=Doc(
                    summary="Change what this service knows of a person",
                    answers={200: shown},
                    body=documents.UserPatch,
                    problems=("managed_elsewhere",),
                ),
            ),
        ]

    def list(self, access: Access) -> Response:
        """Everybody, or who has an address, or one of some ids."""
        filters = {name: request.args[name] for name in ("email", "ids") if name in request.args}
        query = PEOPLE
        if "email" in filters:
            query = query.where(UserCopy.email_key == email_key(filters["email"]))
        if "ids" in filters:
            query = query.where(UserCopy.sub.in_(ids("ids", filters["ids"])))
        part = self._listing.asked("/v2/users", filters)
        with self._store.read() as tx:
            page = self._listing.shown(
                tx,
                query,
                UserCopy.__table__.c.sub,
                part,
                lambda rows: [documents.user(row) for row in rows],
                newest_first=False,
            )
        return jsonify(page)

    def me(self, access: Access) -> Response:
        """The caller, as far as word of them has come."""
        return _shown(found(self._copies, access.subject))

    def show(self, access: Access, user_id: str) -> Response:
        access.check(user_id)
        return _shown(found(self._copies, user_id))

    def change(self, access: Access, user_id: str) -> Response:
        """Other values for the service's own fields; 409 for what the identity provider keeps."""
        access.check(user_id)
        asked = bodies.read_patch(documents.UserPatch, before=self._refuse_managed)
        with self._store.change() as tx:
            user = preferences.change(tx, user_id[:64], asked.changes(), _as_seen)
        if user is None:
            raise not_found()
        return _shown(user)

    def _refuse_managed(self, document: dict[str, Any]) -> None:
        managed = sorted(documents.MANAGED_ELSEWHERE & document.keys())
        if managed:
            raise Problem(
                409,
                "managed_elsewhere",
                "This is changed at the account page.",
                errors=[{"pointer": f"/{name}", "detail": "kept by the identity provider"} for name in managed],
                headers={"Link": f'<{self._account}>; rel="edit"; type="text/html"'},
                more={"account": self._account},
            )


def found(copies: UserCopies, user_id: str) -> Row:
    """The person; 404 for who is gone, was never there, or has not reached this service."""
    user = copies.find(user_id[:64])
    if user is None:
        raise not_found()
    return user


def _as_seen(user: Row) -> None:
    check_match(_TAG, documents.version(user))


def _shown(user: Row) -> Response:
    return with_etag(jsonify(documents.user(user)), _TAG, documents.version(user))
