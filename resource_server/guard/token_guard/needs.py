"""What an operation needs of its caller, as a value; checked here, and published from the same value (RFC 9728)."""

from __future__ import annotations

from dataclasses import dataclass

from token_guard.checks import Check
from token_guard.errors import insufficient_scope, invalid_token
from token_guard.principal import Principal
from token_guard.status_cache import OnStale


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`scopes`: all of them. `bound`: only tokens that are bound to a key or a certificate. `on_stale`: what to do when the status list of
    the token cannot be had fresh (None: as the guard's policy says).
    """

    scopes: tuple[str, ...] = ()
    bound: bool = False
    on_stale: OnStale | None = None


NOTHING = Needs()
_BOUND = "This operation takes only tokens that are bound to a key or a certificate"


def check_needs(*, principal: Principal, needs: Needs, now: float) -> None:
    """Raise `GuardError` for the first thing the caller lacks."""
    if needs.bound and not principal.is_bound:
        raise invalid_token(Check.SENDER, "the token is not bound to its sender", _BOUND)
    if not principal.scopes.issuperset(needs.scopes):
        missing = sorted(set(needs.scopes) - principal.scopes)
        raise insufficient_scope(" ".join(needs.scopes), f"the scope {' '.join(missing)} is missing")
