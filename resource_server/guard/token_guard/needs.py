"""What an operation needs of its caller, as a value; checked here, and published from the same value (RFC 9728)."""

from __future__ import annotations

from dataclasses import dataclass

from token_guard.checks import Check
from token_guard.details import DetailsNeed, find_detail
from token_guard.errors import forbidden, insufficient_authentication, insufficient_scope, invalid_token
from token_guard.principal import Principal
from token_guard.status_cache import OnStale


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorPolicy:
    """Who may act for somebody (RFC 8693 §4.1): at most `max_depth` services in a row, and the current one among `allowed` (None: anybody).

    Those before the current actor are counted, not judged. `required`: nobody calls for themselves.
    """

    max_depth: int = 3
    allowed: frozenset[str] | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """All of it must be met. `audiences`: the token is for one of them (none given: for any its issuer is trusted with); `scopes`: all of
    them; `roles`: one of them; `bound`: the token is bound to a key or a certificate.

    `acr_values`: one of them, the preferred first; `max_age`: seconds since the person logged in (RFC 9470). `details`: one of the
    `authorization_details` fits. `on_stale`: what to do when the status list of the token cannot be had fresh (None: as the guard's
    policy says). `fresh`: the issuer is asked whether the token still counts, at each call.
    """

    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    bound: bool = False
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None
    actors: ActorPolicy = ActorPolicy()
    details: DetailsNeed | None = None
    on_stale: OnStale | None = None
    fresh: bool = False


NOTHING = Needs()
_BOUND = "This operation takes only tokens that are bound to a key or a certificate"


def at_least(acr: str, *, order: tuple[str, ...]) -> tuple[str, ...]:
    """For `acr_values`: this one and all that come after it in an order from weak to strong; raises `ValueError` for one that is not in it."""
    return order[order.index(acr) :]


def check_needs(*, principal: Principal, needs: Needs, now: float) -> None:
    """Raise `GuardError` for the first thing that is lacking: the right kind of token, scope, role, login, actor, details."""
    _check_token(principal, needs)
    if not principal.scopes.issuperset(needs.scopes):
        missing = sorted(set(needs.scopes) - principal.scopes)
        raise insufficient_scope(" ".join(needs.scopes), f"the scope {' '.join(missing)} is missing")
    if needs.roles and principal.roles.isdisjoint(needs.roles):
        reason = f"one of the roles {', '.join(needs.roles)} is needed"
        raise forbidden(Check.ROLE, "access_denied", "The caller does not have the role for this", reason)
    if needs.acr_values or needs.max_age is not None:
        _check_login(principal, needs, now)
    _check_actors(principal.actors, needs.actors)
    if needs.details is not None:
        find_detail(principal=principal, need=needs.details)


def _check_token(principal: Principal, needs: Needs) -> None:
    if needs.audiences and principal.audience.isdisjoint(needs.audiences):
        raise invalid_token(Check.AUDIENCE, f"the audience is {', '.join(sorted(principal.audience))}"[:200])
    if needs.bound and not principal.is_bound:
        raise invalid_token(Check.SENDER, "the token is not bound to its sender", _BOUND)


def _check_login(principal: Principal, needs: Needs, now: float) -> None:
    """How and when the person logged in (RFC 9470 §3)."""
    reason = ""
    if needs.acr_values and principal.acr not in needs.acr_values:
        reason = f"acr is {principal.acr!r}"
    elif needs.max_age is not None and principal.auth_time is None:
        reason = "the token does not say when the person logged in"
    elif needs.max_age is not None and now - (principal.auth_time or 0) > needs.max_age:
        reason = f"the person logged in {now - (principal.auth_time or 0):.0f} s ago"
    if reason:
        raise insufficient_authentication(acr_values=needs.acr_values, max_age=needs.max_age, reason=reason)


def _check_actors(actors: tuple[str, ...], policy: ActorPolicy) -> None:
    reason = ""
    if len(actors) > policy.max_depth:
        reason = f"{len(actors)} services act one for the other"
    elif actors and policy.allowed is not None and actors[0] not in policy.allowed:
        reason = f"{actors[0]!r} may not act here"
    elif not actors and policy.required:
        reason = "nobody acts for the subject"
    if reason:
        raise forbidden(Check.ACTOR, "access_denied", "This chain of services may not do this", reason[:300])
