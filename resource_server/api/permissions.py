"""Who may do what, as data: for each action of a service, how far each kind of caller reaches. What is not listed is denied."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from token_guard import Principal
from token_guard.checks import Check
from token_guard.errors import forbidden

from resource_server.api.problems import not_found

STAFF = ("support", "finance", "admin")
CUSTOMER = "customer"


class Reach(IntEnum):
    """Of which objects an action may be done; the larger holds the smaller."""

    NONE = 0
    OWN = 1
    MASKED = 2
    """All, with what identifies or pays hidden."""
    ALL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One row of the matrix. `service` is a client that calls for itself; `delegated`: what a person may, a service may do for them by an
    exchanged token (RFC 8693)."""

    customer: Reach = Reach.NONE
    support: Reach = Reach.NONE
    finance: Reach = Reach.NONE
    admin: Reach = Reach.NONE
    service: Reach = Reach.NONE
    delegated: bool = False

    def reach(self, principal: Principal) -> Reach:
        """How far this caller reaches: the farthest of what they are."""
        if principal.is_service:
            return self.service
        if principal.actors and not self.delegated:
            return Reach.NONE
        return max(Reach(getattr(self, kind)) for kind in kinds(principal))


def kinds(principal: Principal) -> tuple[str, ...]:
    """The columns a person stands in: their staff roles; a customer is who has none of these, or that role as well."""
    staff = tuple(role for role in STAFF if role in principal.roles)
    return (*staff, CUSTOMER) if not staff or CUSTOMER in principal.roles else staff


@dataclass(frozen=True, slots=True)
class Access:
    """Who calls, and how far they reach in what they ask for."""

    principal: Principal
    reach: Reach

    @property
    def subject(self) -> str:
        return self.principal.subject

    @property
    def owner(self) -> str | None:
        """Whose objects alone are within reach; None: everybody's."""
        return self.subject if self.reach is Reach.OWN else None

    @property
    def masked(self) -> bool:
        """Whether what is shown of others hides what identifies or pays."""
        return self.reach is Reach.MASKED

    def check(self, owner: str) -> None:
        """Raises the 404 of what does not exist for what is somebody else's."""
        if self.reach < Reach.MASKED and owner != self.subject:
            raise not_found()


def access(principal: Principal, cells: Cells) -> Access:
    """The caller's access; raises `GuardError` (403) for who has none."""
    reach = cells.reach(principal)
    if reach is Reach.NONE:
        who = "a service" if principal.is_service else ", ".join(kinds(principal))
        acting = " for whom a service acts" if principal.actors else ""
        raise forbidden(Check.ROLE, "access_denied", "The caller may not do this", f"{who}{acting} has no reach here")
    return Access(principal, reach)
