"""What the command line may do with providers; refusals are `Refused`, changes are audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.platform.audit import Audit
from idp.platform.db import Database, insert_or_ignore
from idp.platform.secrets import MasterKey
from idp.upstream.apple import check_key
from idp.upstream.directory import PURPOSE, ProviderDirectory
from idp.upstream.models import LinkedAccountRow, UpstreamProviderRow
from idp.upstream.providers import NAME, Known, Provider, provider_of

_MAX_SECRET = 4096


class ProviderAdmin:
    """Registers and changes providers."""

    def __init__(
        self, database: Database, master: MasterKey, clock: Clock, audit: Audit, directory: ProviderDirectory
    ) -> None:
        self._database = database
        self._master = master
        self._clock = clock
        self._audit = audit
        self._directory = directory

    def create(self, name: str, given: Mapping[str, Any], secret: str | None) -> Known:
        """Register a provider under the name that stands in its URLs."""
        if not NAME.match(name):
            raise Refused("name", "a name has 1 to 32 lower-case letters, digits and hyphens and begins with a letter")
        sealed = self._sealed(provider_of(given), secret)
        now = self._clock.now()
        values = {"name": name, "given": dict(given), "secret": sealed, "disabled": False}
        with self._database.write() as tx:
            if not insert_or_ignore(tx, UpstreamProviderRow, {**values, "created_at": now, "updated_at": now}):
                raise Refused("exists", "there is a provider of this name already")
            self._audit.append(tx, "upstream.created", provider=name)
        return self._directory.show(name)

    def update(self, name: str, patch: Mapping[str, Any], secret: str | None) -> Known:
        """Change a provider by a merge patch (RFC 7396, first level); null removes a member."""
        old = self._directory.show(name)
        given = {key: value for key, value in {**old.given, **patch}.items() if value is not None}
        provider = provider_of(given)
        changes: dict[str, Any] = {"given": given}
        if secret is not None:
            changes["secret"] = self._sealed(provider, secret)
        return self._changed(name, "upstream.updated", changes)

    def disable(self, name: str) -> Known:
        """Nobody logs in with it any more; links stay."""
        return self._changed(name, "upstream.disabled", {"disabled": True})

    def enable(self, name: str) -> Known:
        return self._changed(name, "upstream.enabled", {"disabled": False})

    def delete(self, name: str) -> None:
        """Forget a provider and every link to it: another one of this name is another one."""
        with self._database.write() as tx:
            if tx.execute(sa.delete(UpstreamProviderRow).where(UpstreamProviderRow.name == name)).rowcount != 1:
                raise Refused("unknown", "there is no such provider")
            tx.execute(sa.delete(LinkedAccountRow).where(LinkedAccountRow.provider == name))
            self._audit.append(tx, "upstream.deleted", provider=name)

    def _changed(self, name: str, event: str, changes: Mapping[str, Any]) -> Known:
        changed = sa.update(UpstreamProviderRow).where(UpstreamProviderRow.name == name)
        with self._database.write() as tx:
            if tx.execute(changed.values(**changes, updated_at=self._clock.now())).rowcount != 1:
                raise Refused("unknown", "there is no such provider")
            self._audit.append(tx, event, provider=name)
        return self._directory.show(name)

    def _sealed(self, provider: Provider, secret: str | None) -> bytes | None:
        if provider.auth_method == "none":
            if secret:
                raise Refused("secret", "a provider whose auth_method is none has no secret")
            return None
        if not secret or len(secret) > _MAX_SECRET:
            raise Refused("secret", "the provider needs a client secret of at most 4096 characters")
        if provider.auth_method == "apple":
            check_key(secret)
        return self._master.seal(secret.encode(), purpose=PURPOSE)
