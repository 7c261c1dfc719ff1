"""Who may exchange for what: rules an operator makes, one a client and audience. Without a rule nothing is exchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from idp.errors import Refused
from idp.oauth.entitlement import FindResource
from idp.oauth.exchange.models import ExchangeRuleRow
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, upsert

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_KEY = ("client_id", "audience")
_FIND = sa.select(ExchangeRuleRow.__table__).where(
    ExchangeRuleRow.client_id == sa.bindparam("of_client"), ExchangeRuleRow.audience == sa.bindparam("target")
)


@dataclass(frozen=True, slots=True)
class ExchangeRule:
    """What one client may get at one audience.

    `scopes` are the most it can have. `from_audiences`: whose tokens it may present; empty: any API's, but never the issuer's own, which
    must be named. `impersonates`: its tokens name no actor, unless it presents an actor token (RFC 8693 §1.1).
    """

    client_id: str
    audience: str
    scopes: tuple[str, ...]
    from_audiences: tuple[str, ...] = ()
    impersonates: bool = False

    def accepts(self, audience: str, issuer: str) -> bool:
        """Whether a token for this audience may be presented."""
        return audience in self.from_audiences if self.from_audiences else audience != issuer

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "scopes": list(self.scopes), "from_audiences": list(self.from_audiences)}


def find_rule(tx: sa.Connection, client_id: str, audience: str) -> ExchangeRule | None:
    """The rule as this transaction sees it: one that is taken away counts for the next request."""
    row = tx.execute(_FIND, {"of_client": client_id, "target": audience}).one_or_none()
    return None if row is None else _rule(row)


class ExchangeRules:
    """What the command line may do with rules; refusals are `Refused`, changes are audited."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        *,
        find_client: Callable[[str], Mapping[str, Any] | None],
        find_resource: FindResource,
        issuer: str,
    ) -> None:
        self._database = database
        self._audit = audit
        self._find_client = find_client
        self._find_resource = find_resource
        self._issuer = issuer

    def allow(
        self,
        client_id: str,
        *,
        audience: str,
        scopes: Sequence[str],
        from_audiences: Sequence[str] = (),
        impersonates: bool = False,
    ) -> ExchangeRule:
        """Make a rule, or replace the one of this client and audience."""
        rule = ExchangeRule(
            client_id, audience, tuple(dict.fromkeys(scopes)), tuple(dict.fromkeys(from_audiences)), impersonates
        )
        self._check(rule)
        with self._database.write() as tx:
            upsert(tx, ExchangeRuleRow, rule.document(), key=_KEY)
            self._audit.append(tx, "exchange_rule.allowed", **rule.document())
        return rule

    def delete(self, client_id: str, audience: str) -> None:
        """Take a rule away."""
        mine = (ExchangeRuleRow.client_id == client_id, ExchangeRuleRow.audience == audience)
        with self._database.write() as tx:
            if tx.execute(sa.delete(ExchangeRuleRow).where(*mine)).rowcount != 1:
                raise Refused("unknown", "there is no such rule")
            self._audit.append(tx, "exchange_rule.deleted", client_id=client_id, audience=audience)

    def list(self, client_id: str | None = None) -> list[ExchangeRule]:
        """Every rule, or one client's."""
        query = sa.select(ExchangeRuleRow.__table__).order_by(ExchangeRuleRow.client_id, ExchangeRuleRow.audience)
        if client_id is not None:
            query = query.where(ExchangeRuleRow.client_id == client_id)
        with self._database.read() as tx:
            return [_rule(row) for row in tx.execute(query)]

    def _check(self, rule: ExchangeRule) -> None:
        client = self._find_client(rule.client_id)
        if client is None:
            raise Refused("unknown", "there is no such client")
        if GRANT_TYPE not in client["grant_types"]:
            raise Refused("grant_types", f"the client has not registered {GRANT_TYPE}")
        resource = self._find_resource(rule.audience)
        if resource is None:
            raise Refused("audience", f"{rule.audience[:200]} is not a resource; register it with idp resource create")
        if not rule.scopes:
            raise Refused("scope", "name at least one scope")
        for scope in rule.scopes:
            if scope not in resource.scopes:
                raise Refused("scope", f"{scope[:64]} is not a scope of {rule.audience}")
        for uri in rule.from_audiences:
            if uri != self._issuer and self._find_resource(uri) is None:
                raise Refused("from_audience", f"{uri[:200]} is neither a resource nor the issuer")


def _rule(row: AnyRow) -> ExchangeRule:
    return ExchangeRule(row.client_id, row.audience, tuple(row.scopes), tuple(row.from_audiences), row.impersonates)
