"""Consent: what is asked in plain words, and what a person allowed a client before, per audience and scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.models import ConsentRow
from idp.oauth.request import AuthorizationRequest
from idp.oauth.resources import Resource
from idp.oauth.scopes import OPENID_SCOPES
from idp.platform import i18n
from idp.platform.db import upsert

OPENID = ""
"""The audience under which the OpenID scopes are remembered."""

_BEFORE = sa.select(ConsentRow.audience, ConsentRow.scope).where(
    ConsentRow.sub == sa.bindparam("sub"), ConsentRow.client_id == sa.bindparam("client_id")
)
_BEFORE_HELD = _BEFORE.with_for_update(read=True, key_share=True)
_HELD = sa.select(ConsentRow.scope, ConsentRow.created_at).with_for_update()


@dataclass(frozen=True, slots=True)
class AskedGroup:
    """One paragraph of the consent page."""

    title: str
    sentences: tuple[str, ...]


def by_audience(scope: Iterable[str], resources: Iterable[Resource]) -> dict[str, frozenset[str]]:
    """The asked scopes, sorted to the audiences that define them."""
    asked = frozenset(scope)
    groups = {resource.uri: asked & resource.scopes.keys() for resource in resources}
    return {audience: found for audience, found in {OPENID: asked & OPENID_SCOPES.keys(), **groups}.items() if found}


def in_words(scope: Iterable[str], resources: Iterable[Resource]) -> list[AskedGroup]:
    """What the page says: about the person first, then resource by resource."""
    asked = tuple(scope)
    about = tuple(i18n.said(words) for name, words in OPENID_SCOPES.items() if name in asked)
    groups = [AskedGroup(i18n.gettext("About you"), about)] if about else []
    for resource in resources:
        sentences = tuple(words or name for name, words in resource.scopes.items() if name in asked)
        if sentences:
            groups.append(AskedGroup(resource.name, sentences))
    return groups


class Consents:
    """Remembers and recalls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def covers(
        self,
        tx: sa.Connection,
        sub: str,
        request: AuthorizationRequest,
        resources: Iterable[Resource],
        *,
        hold: bool = False,
    ) -> bool:
        """Whether all that is asked was allowed before; with `hold` nobody takes it back before this transaction ends."""
        rows = tx.execute(_BEFORE_HELD if hold else _BEFORE, {"sub": sub, "client_id": request.client_id})
        before = {audience: set(scope.split()) for audience, scope in rows}
        asked = by_audience(request.to_allow, resources)
        return all(wanted <= before.get(audience, set()) for audience, wanted in asked.items())

    def remember(
        self, tx: sa.Connection, sub: str, request: AuthorizationRequest, resources: Iterable[Resource]
    ) -> None:
        """Add what was allowed now to what was allowed before."""
        for audience, allowed in by_audience(request.to_allow, resources).items():
            mine = (
                ConsentRow.sub == sub,
                ConsentRow.client_id == request.client_id,
                ConsentRow.audience == audience,
            )
            before = tx.execute(_HELD.where(*mine)).one_or_none()
            earlier = before.scope.split() if before else []
            values = {
                "sub": sub,
                "client_id": request.client_id,
                "audience": audience,
                "scope": " ".join(sorted(allowed.union(earlier))),
                "created_at": before.created_at if before else self._clock.now(),
                "updated_at": self._clock.now(),
            }
            upsert(tx, ConsentRow, values, key=("sub", "client_id", "audience"))


def forget_person(tx: sa.Connection, sub: str) -> None:
    """Remove what a person ever allowed: they are gone."""
    tx.execute(sa.delete(ConsentRow).where(ConsentRow.sub == sub))
