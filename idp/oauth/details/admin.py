"""What the command line may do with types of authorization details; refusals are `Refused`, changes are audited."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from idp.errors import Refused
from idp.oauth.details.models import DetailsTypeRow
from idp.oauth.details.schema import BadSchema, compiled
from idp.oauth.details.types import GENERATION, DetailsType, details_type
from idp.oauth.details.words import fault
from idp.oauth.entitlement import FindResource
from idp.platform.audit import Audit
from idp.platform.db import Database, insert_or_ignore
from idp.platform.generations import bump

_TYPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}\Z")
_PATH = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z")
_ALL = sa.select(DetailsTypeRow.__table__)


class DetailsTypeAdmin:
    """Registers and changes types."""

    def __init__(self, database: Database, audit: Audit, find_resource: FindResource) -> None:
        self._database = database
        self._audit = audit
        self._find_resource = find_resource

    def create(
        self,
        *,
        identifier: str,
        name: str,
        schema: Mapping[str, Any],
        resources: Sequence[str] = (),
        words: str | None = None,
        maximums: Sequence[str] = (),
        once: bool = False,
    ) -> DetailsType:
        """Register a type."""
        made = self._checked(DetailsType(identifier, name, schema, tuple(resources), words, tuple(maximums), once))
        with self._database.write() as tx:
            if not insert_or_ignore(tx, DetailsTypeRow, made.document()):
                raise Refused("exists", "there is a type of this name already")
            self._changed(tx, "details_type.created", identifier)
        return made

    def update(self, identifier: str, **changes: Any) -> DetailsType:
        """Change a type; what was granted before counts as the type says now."""
        changed = self._checked(replace(self.show(identifier), **changes))
        with self._database.write() as tx:
            tx.execute(sa.update(DetailsTypeRow).where(DetailsTypeRow.type == identifier).values(**changed.document()))
            self._changed(tx, "details_type.updated", identifier)
        return changed

    def delete(self, identifier: str) -> None:
        """Forget a type: what was granted of it is in no token any more."""
        with self._database.write() as tx:
            if tx.execute(sa.delete(DetailsTypeRow).where(DetailsTypeRow.type == identifier)).rowcount != 1:
                raise Refused("unknown", "there is no such type")
            self._changed(tx, "details_type.deleted", identifier)

    def show(self, identifier: str) -> DetailsType:
        with self._database.read() as tx:
            row = tx.execute(_ALL.where(DetailsTypeRow.type == identifier)).one_or_none()
        if row is None:
            raise Refused("unknown", "there is no such type")
        return details_type(row)

    def list(self) -> list[DetailsType]:
        with self._database.read() as tx:
            return [details_type(row) for row in tx.execute(_ALL.order_by(DetailsTypeRow.type))]

    def _changed(self, tx: sa.Connection, event: str, identifier: str) -> None:
        bump(tx, GENERATION)
        self._audit.append(tx, event, type=identifier)

    def _checked(self, made: DetailsType) -> DetailsType:
        if not _TYPE.match(made.type):
            raise Refused("type", "a type has 1 to 255 printable ASCII characters without spaces and quotes")
        if not 0 < len(made.name) <= 200 or not made.name.isprintable():
            raise Refused("name", "a name has 1 to 200 printable characters")
        wrong = fault(made.words) if made.words else None
        if wrong is not None:
            raise Refused("words", wrong)
        for path in made.maximums:
            if not _PATH.match(path):
                raise Refused("maximum", f"{path[:64]} is not the path of a member")
        for uri in made.resources:
            if self._find_resource(uri) is None:
                raise Refused("resource", f"{uri[:200]} is not a resource; register it with idp resource create")
        try:
            compiled(made.schema)
        except BadSchema as error:
            raise Refused("schema", f"the schema cannot be used: {error}"[:300]) from error
        return replace(made, words=made.words or None)
