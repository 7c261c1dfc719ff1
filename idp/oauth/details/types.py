"""The types of authorization details that are registered (RFC 9396 §2): what an entry must look like, where it counts, how it is said."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from idp.oauth.details.entries import IDENTITY, Entry, invalid, parse, without_identity
from idp.oauth.details.models import DetailsTypeRow
from idp.oauth.details.narrowing import Path, narrowed
from idp.oauth.details.words import AskedDetails, said
from idp.platform.db import AnyRow, Database
from idp.platform.generations import Snapshots

GENERATION = "details_types"
Fits = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class DetailsType:
    """One type. `resources`: where its entries may count and, unless they say otherwise, do; empty: anywhere they name, else everywhere.

    `words` is the template of what the person reads; `maximums` are the dotted paths of numbers that may be lowered. Entries of a type
    that is good `once` get an id of ours when they are asked for.
    """

    type: str
    name: str
    schema: Mapping[str, Any]
    resources: tuple[str, ...] = ()
    words: str | None = None
    maximums: tuple[str, ...] = ()
    once: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(tuple(path.split(".")) for path in self.maximums)

    def locations(self, entry: Entry) -> tuple[str, ...]:
        """The audiences whose tokens carry this entry; empty: all."""
        return tuple(entry.get("locations", self.resources))

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "resources": list(self.resources), "maximums": list(self.maximums)}


class DetailsTypes:
    """All types as one immutable snapshot that follows the generation `details_types`, at once for a new one."""

    def __init__(self, database: Database) -> None:
        self._known = Snapshots[Mapping[str, DetailsType]](database, GENERATION, _read, {})
        self._fits: dict[str, tuple[DetailsType, Fits]] = {}

    def reload(self) -> None:
        self._known.renew()

    def metadata(self) -> Mapping[str, Any]:
        """What discovery announces of them, where there are any (RFC 9396 §10)."""
        known = self._known.latest
        return {"authorization_details_types_supported": sorted(known)} if known else {}

    def find(self, name: str) -> DetailsType | None:
        return self._known.find(lambda known: known.get(name))

    def read(self, text: str) -> tuple[Entry, ...]:
        """The entries of a parameter, each of a known type and fitting its schema; raises `invalid_authorization_details`."""
        entries = parse(text)
        for entry in entries:
            kind = self.find(entry["type"])
            if kind is None:
                raise invalid("A type of the authorization_details is not known")
            if not self._fitting(kind)(without_identity(entry) if kind.once else entry):
                raise invalid("authorization_details does not fit the schema of its type")
        return entries

    def asked(self, text: str, allowed: Collection[str], audiences: Collection[str]) -> tuple[Entry, ...]:
        """The entries of an authorization request: of types the client registered, for audiences the request is for (RFC 9396 §5)."""
        entries = self.read(text)
        for entry in entries:
            if entry["type"] not in allowed:
                raise invalid("The client has not registered a type of its authorization_details")
            if not self._is_placed(entry, audiences):
                raise invalid("The locations of the authorization_details are not among the resources of the request")
        return tuple(map(self._identified, entries))

    def for_token(self, granted: Sequence[Entry], text: str | None, audience: str) -> tuple[Entry, ...]:
        """The entries of a token for one audience: all that count there, or those a token request names, which must lie within (RFC 9396 §6)."""
        if text is None:
            return tuple(entry for entry in granted if self._counts(entry, audience))
        entries = narrowed(granted, self.read(text), self._maximums)
        if not all(self._counts(entry, audience) for entry in entries):
            raise invalid("The locations of the authorization_details do not include the resource of the token")
        return entries

    def in_words(self, entries: Sequence[Entry]) -> tuple[AskedDetails, ...]:
        """What the consent page says of them."""
        found = ((entry, self.find(str(entry["type"]))) for entry in entries)
        return tuple(
            said(entry, kind.name, kind.words) if kind else said(entry, entry["type"], None) for entry, kind in found
        )

    def _identified(self, entry: Entry) -> Entry:
        """The entry as it is granted: one of a type that is good once can be told from its like."""
        kind = self.find(entry["type"])
        if kind is None or not kind.once:
            return entry
        if IDENTITY in entry:
            raise invalid(f"{IDENTITY} is for the server to give")
        return {**entry, IDENTITY: secrets.token_urlsafe(16)}

    def _counts(self, entry: Entry, audience: str) -> bool:
        kind = self.find(str(entry["type"]))
        if kind is None:
            return False  # the type is gone, and what it meant with it
        locations = kind.locations(entry)
        return not locations or audience in locations

    def _is_placed(self, entry: Entry, audiences: Collection[str]) -> bool:
        kind = self.find(entry["type"])
        locations = kind.locations(entry) if kind else ()
        if kind and kind.resources and not set(locations) <= set(kind.resources):
            return False
        return not locations or not set(locations).isdisjoint(audiences)

    def _maximums(self, name: str) -> Sequence[Path]:
        kind = self.find(name)
        return kind.paths if kind else ()

    def _fitting(self, kind: DetailsType) -> Fits:
        """Its schema, made ready once; a type that changed is another one."""
        made, fits = self._fits.get(kind.type, (None, None))
        if fits is None or made is not kind:
            from idp.oauth.details.schema import compiled  # noqa: PLC0415 - 4 MB that only those pay who use it

            fits = compiled(kind.schema)
            self._fits[kind.type] = (kind, fits)
        return fits


def _read(tx: sa.Connection) -> Mapping[str, DetailsType]:
    return {row.type: details_type(row) for row in tx.execute(sa.select(DetailsTypeRow.__table__))}


def details_type(row: AnyRow) -> DetailsType:
    """The type of a row."""
    return DetailsType(row.type, row.name, row.schema, tuple(row.resources), row.words, tuple(row.maximums), row.once)
