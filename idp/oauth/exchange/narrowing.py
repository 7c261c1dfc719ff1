"""What an exchanged token may do, and who acts by it: pure functions that never give more than was presented (RFC 8693 §2, §4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from idp.errors import ProtocolError
from idp.oauth import scopes
from idp.oauth.exchange.rules import ExchangeRule
from idp.oauth.resources import Resource


def scope_of(
    asked: str | None, presented: str, *, source: Resource, target: Resource, rule: ExchangeRule
) -> tuple[str, ...]:
    """The scopes of the new token, narrowed to what may be had; raises `invalid_scope` when nothing is left.

    A scope that the presented token's own audience defines must be in that token. One it does not define could never be there: whether
    the client gets it is the rule's to say alone.
    """
    had = frozenset(presented.split())
    may = tuple(
        scope for scope in rule.scopes if scope in target.scopes and (scope in had or scope not in source.scopes)
    )
    left = scopes.narrow(scopes.parse(asked), may)
    if not left:
        raise ProtocolError("invalid_scope", "None of the requested scopes can be had for this token")
    return left


def actors(actor: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `act` claim: who acts now, and within it who acted before (RFC 8693 §4.1)."""
    return {"sub": actor} if before is None else {"sub": actor, "act": dict(before)}


def may_act(claim: Any, actor: str, client_id: str) -> bool:
    """Whether a `may_act` claim lets this party act (RFC 8693 §4.4); a token without one leaves it to the rules."""
    if claim is None:
        return True
    if not isinstance(claim, dict) or not claim.keys() <= {"sub", "client_id"} or not claim:
        return False  # what we do not understand, we cannot honour
    return (claim.get("sub", actor), claim.get("client_id", client_id)) == (actor, client_id)


def lifetime(longest: Iterable[int | None], ends: Iterable[int], now: int) -> int:
    """Seconds the new token lives: no longer than is allowed, and than what was presented still does."""
    return min([*(ttl for ttl in longest if ttl is not None), *(end - now for end in ends)])
