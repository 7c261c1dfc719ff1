"""The apps a person let in, as they see them: what each may do, since when, what of it lives; and how all of it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth import codes
from idp.oauth.clients import Client
from idp.oauth.consent import OPENID, AskedGroup, by_audience, in_words
from idp.oauth.details.entries import Entry
from idp.oauth.details.words import AskedDetails
from idp.oauth.models import ConsentRow
from idp.oauth.registration.about import in_language
from idp.oauth.resources import Resource
from idp.oauth.scopes import OPENID_SCOPES
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.tokens.store import Grants, LivingGrant

_CONSENTS = sa.select(ConsentRow.__table__).where(ConsentRow.sub == sa.bindparam("person"))
_WITHDRAW = sa.delete(ConsentRow).where(
    ConsentRow.sub == sa.bindparam("person"), ConsentRow.client_id == sa.bindparam("of_client")
)


@dataclass(frozen=True, slots=True)
class AllowedApp:
    """One app. `trusted`: whoever runs this place let it in, for everybody. `used_at`: when it last got a token; None: nothing of that is kept.

    `audiences` are the APIs that it holds something for. Times are epoch seconds.
    """

    client_id: str
    title: str
    uri: str | None
    has_logo: bool
    trusted: bool
    since: int
    used_at: int | None
    groups: tuple[AskedGroup, ...]
    details: tuple[AskedDetails, ...]
    audiences: frozenset[str]


@dataclass(frozen=True, slots=True)
class AllowedApps:
    """Tells of the apps and takes back what they hold."""

    database: Database
    clock: Clock
    find_client: Callable[[str], Client | None]
    find_resource: Callable[[str], Resource | None]
    details_in_words: Callable[[Sequence[Entry]], Sequence[AskedDetails]]
    grants: Grants
    audit: Audit

    def of(self, sub: str) -> list[AllowedApp]:
        """Every app that this person allowed something or that holds something of theirs, the one used last first."""
        with self.database.read() as tx:
            consents = tx.execute(_CONSENTS, {"person": sub}).all()
            living = self.grants.living_of(tx, sub)
        names = dict.fromkeys([*(row.client_id for row in consents), *(one.grant.client_id for one in living)])
        apps = [
            self._app(
                name,
                [row for row in consents if row.client_id == name],
                [one for one in living if one.grant.client_id == name],
            )
            for name in names
        ]
        return sorted(filter(None, apps), key=lambda app: (app.used_at or app.since, app.client_id), reverse=True)

    def withdraw(self, sub: str, client_id: str, *, session: str) -> bool:
        """Take back everything: consent, tokens, and codes on their way. False when the app has nothing of this person's."""
        with self.database.write() as tx:
            consents = tx.execute(_WITHDRAW, {"person": sub, "of_client": client_id}).rowcount
            waiting = codes.waiting_of(tx, sub, client_id, self.clock.now())
            for grant_id in waiting:
                self.grants.end(tx, grant_id)
            ended = self.grants.end_client_of(tx, sub, client_id)
            if not (consents or waiting or ended):
                return False
            self.audit.append(tx, "consent.withdrawn", sub=sub, client_id=client_id, session=session)
        return True

    def _app(self, client_id: str, consents: Sequence[AnyRow], living: Sequence[LivingGrant]) -> AllowedApp | None:
        client = self.find_client(client_id)
        if client is None:
            return None
        languages = i18n.wishes().tags
        return AllowedApp(
            client_id=client_id,
            title=in_language(client.metadata, "client_name", languages) or client.name,
            uri=in_language(client.metadata, "client_uri", languages),
            has_logo="logo_uri" in client.metadata,
            trusted=client.trusted,
            since=min(_begun(consents, living)),
            used_at=max((one.used_at for one in living), default=None),
            groups=tuple(self._groups(consents, living)),
            details=tuple(self.details_in_words(_once_each(living))),
            audiences=frozenset(audience for one in living for audience in one.grant.audiences),
        )

    def _groups(self, consents: Sequence[AnyRow], living: Sequence[LivingGrant]) -> Iterator[AskedGroup]:
        """What was allowed and what is held, the person first and then API by API."""
        held: dict[str, set[str]] = {row.audience: set(row.scope.split()) for row in consents}
        for one in living:
            resources = filter(None, map(self.find_resource, one.grant.audiences))
            for audience, scope in by_audience(one.grant.scope.split(), resources).items():
                held.setdefault(audience, set()).update(scope)
        for audience in sorted(held, key=lambda name: (name != OPENID, name)):
            resource = None if audience == OPENID else self.find_resource(audience)
            if resource is not None:
                yield from in_words(held[audience] - OPENID_SCOPES.keys(), [resource])
            elif audience == OPENID:
                yield from in_words(held[audience], [])


def _begun(consents: Iterable[AnyRow], living: Iterable[LivingGrant]) -> Iterator[int]:
    for row in consents:
        yield row.created_at or row.updated_at
    for one in living:
        yield one.grant.created_at


def _once_each(living: Iterable[LivingGrant]) -> list[dict[str, Any]]:
    """The details of all grants; the same ones granted twice are said once."""
    found: list[dict[str, Any]] = []
    for one in living:
        found.extend(dict(entry) for entry in one.grant.authorization_details if dict(entry) not in found)
    return found
