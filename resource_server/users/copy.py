"""Keeping the copy: an event counts only when its version is newer, so repeats and a changed order do no harm."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
import structlog

from resource_server.platform.store import Row, Store, insert_or_ignore
from resource_server.users.models import Filled, UserCopy, UserPreferences

PAGE = 500
_OWN = [column for column in UserPreferences.__table__.c if column.name != "sub"]
PEOPLE = (
    sa.select(*UserCopy.__table__.c, *_OWN)
    .outerjoin(UserPreferences, UserPreferences.sub == UserCopy.sub)
    .where(~UserCopy.gone)
)
"""Everybody who is there, with what this service knows itself."""
_ONE = PEOPLE.where(UserCopy.sub == sa.bindparam("sub"))
log = structlog.get_logger("rs.users")


class UserCopies:
    """Reads and writes the copy."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, sub: str) -> Row | None:
        """The person, if we know of them and they are not gone."""
        with self._store.read() as tx:
            return tx.execute(_ONE, {"sub": sub}).one_or_none()

    def find_all(self, subs: Sequence[str]) -> Sequence[Row]:
        """Those of these people that are there."""
        with self._store.read() as tx:
            return tx.execute(PEOPLE.where(UserCopy.sub.in_(subs))).all()

    def apply(self, facts: Mapping[str, Any], *, gone: bool) -> bool:
        """Take over what was told, if it is news."""
        told = {} if gone else dict(facts)
        values = {
            "sub": facts["sub"],
            "version": facts["version"],
            "gone": gone,
            "facts": told,
            "email_key": email_key(told.get("email")),
        }
        older = (UserCopy.sub == facts["sub"], UserCopy.version < facts["version"])
        with self._store.change() as tx:
            if insert_or_ignore(tx, UserCopy, values):
                return True
            if gone:
                tx.execute(sa.delete(UserPreferences).where(UserPreferences.sub == facts["sub"]))
            return bool(tx.execute(sa.update(UserCopy).where(*older).values(**values)).rowcount)


def email_key(email: str | None) -> str | None:
    """An address as it is searched for."""
    return None if email is None else email.casefold()[:254]


class Filler:
    """Fills a new copy from the identity provider's snapshot, once; safe to repeat and to run beside events."""

    def __init__(self, store: Store, copies: UserCopies, *, issuer: str, audience: str, token: str) -> None:
        self._store = store
        self._copies = copies
        self._issuer = issuer
        self._audience = audience
        self._token = token

    def run(self) -> bool:
        """Fill when it was never filled; whether it is filled now."""
        with self._store.read() as tx:
            if tx.execute(sa.select(Filled.filled_at).where(Filled.audience == self._audience)).first():
                return True
        after = ""
        while after is not None:
            page = self._page(after)
            for facts in page["users"]:
                self._copies.apply(facts, gone=False)
            after = page["next"]
        with self._store.change() as tx:
            insert_or_ignore(tx, Filled, {"audience": self._audience, "filled_at": int(time.time())})
        return True

    def _page(self, after: str) -> Any:
        url = f"{self._issuer}/events/snapshot?{urlencode({'after': after, 'limit': PAGE})}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - the issuer
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
