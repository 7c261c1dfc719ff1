"""The providers there are: read afresh each time, so that one switched off is off at once. Nothing on the way of tokens asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
import structlog

from idp.errors import Refused
from idp.platform.db import AnyRow, Database
from idp.platform.secrets import MasterKey
from idp.upstream.models import UpstreamProviderRow
from idp.upstream.providers import Known, provider_of

PURPOSE = "upstream-secret"
log = structlog.get_logger("idp.upstream")
_ALL = sa.select(UpstreamProviderRow.__table__)
_ONE = _ALL.where(UpstreamProviderRow.name == sa.bindparam("called"))
_ENABLED = _ALL.where(UpstreamProviderRow.disabled.is_(False))


class ProviderDirectory:
    """Finds providers and opens their secrets."""

    def __init__(self, database: Database, master: MasterKey) -> None:
        self._database = database
        self._master = master

    def enabled(self) -> list[Known]:
        """Those that people can choose, in the order of their buttons."""
        with self._database.read() as tx:
            found = [one for row in tx.execute(_ENABLED) if (one := _readable(row)) is not None]
        return sorted(found, key=lambda one: (one.provider.position, one.name))

    def all(self) -> list[Known]:
        """Every one by name, the disabled ones too."""
        with self._database.read() as tx:
            return [known(row) for row in tx.execute(_ALL.order_by(UpstreamProviderRow.name))]

    def titles(self) -> dict[str, str]:
        """What people call each of them, by name."""
        with self._database.read() as tx:
            found = [_readable(row) for row in tx.execute(_ALL)]
        return {one.name: one.title for one in found if one is not None}

    def faults(self) -> Iterator[str]:
        """What is broken or unsafe, a sentence each."""
        with self._database.read() as tx:
            rows = tx.execute(_ALL.order_by(UpstreamProviderRow.name)).all()
        for row in rows:
            try:
                one = known(row)
                self.secret(one)
            except Refused as error:
                yield f"provider {row.name}: {error.description}"
            else:
                if one.provider.trusts_email and one.provider.has_tenants and not one.provider.tenants:
                    yield f"provider {row.name}: trusts_email lets every tenant's administrator open accounts by their address; name tenants"

    def find(self, name: str) -> Known | None:
        with self._database.read() as tx:
            row = tx.execute(_ONE, {"called": name}).one_or_none()
        return None if row is None else known(row)

    def usable(self, name: str) -> Known | None:
        """The provider, unless it is switched off."""
        with self._database.read() as tx:
            row = tx.execute(_ONE, {"called": name}).one_or_none()
        return None if row is None or row.disabled else _readable(row)

    def secret(self, one: Known) -> str:
        """The clear secret; empty where there is none. Raises `Refused` when the master key is another."""
        return "" if one.sealed is None else self._master.unseal(one.sealed, purpose=PURPOSE).decode()

    def show(self, name: str) -> Known:
        """The provider; raises `Refused` when there is none."""
        found = self.find(name)
        if found is None:
            raise Refused("unknown", "there is no such provider")
        return found


def known(row: AnyRow) -> Known:
    """The provider of a row."""
    return Known(row.name, row.given, provider_of(row.given), row.secret, row.disabled)


def _readable(row: AnyRow) -> Known | None:
    """The same; None for settings that this version of the program does not take, which must not close the login page for everybody."""
    try:
        return known(row)
    except Refused as error:
        log.error("provider cannot be read", provider=row.name, reason=error.description)
        return None
