"""A fresh login, and a strong one, for large sums (RFC 9470)."""

from __future__ import annotations

from token_guard import Guard, Needs, Principal

from resource_server.settings import Settings


class StepUp:
    """Asked before money moves; raises `GuardError`, whose challenge says what login is needed."""

    def __init__(self, settings: Settings, guard: Guard, *, acr_values: tuple[str, ...]) -> None:
        self._guard = guard
        self._issuer = settings.issuer
        self._from = settings.step_up_from
        self._fresh = Needs(acr_values=acr_values, max_age=settings.step_up_max_age)

    def check(self, principal: Principal, value: int) -> None:
        """A person who pays much has logged in a moment ago, and well. A service has nobody to send there, and one that says for whom it acts
        has asked before it accepted."""
        if 0 < self._from <= value and not principal.is_service and principal.issuer == self._issuer:
            self._guard.require(principal, self._fresh)
