"""FastAPI: a dependency that lets an operation see who calls, and shows in its OpenAPI document what it needs.

guarded = FastApiGuard(guard)

@app.get("/payments")
def payments(principal: Annotated[Principal, Depends(guarded("payments:read"))]): ...
"""

from __future__ import annotations

from fastapi import HTTPException, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from token_guard.adapters.asgi import presented_by
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.principal import Principal


class FastApiGuard:
    """Makes dependencies; all of them share one guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *scopes: str, needs: Needs | None = None) -> GuardedDependency:
        """A dependency that gives the `Principal` of a caller with all these scopes, or with what `needs` says."""
        return GuardedDependency(self._guard, needs or Needs(scopes=scopes))

    def require(self, principal: Principal, needs: Needs) -> None:
        """Ask more of a caller who was let in, such as what depends on the values of the request; refuses as the dependency does."""
        try:
            self._guard.require(principal, needs)
        except GuardError as error:
            raise _refusal(error) from error


class GuardedDependency(SecurityBase):
    """Who calls; FastAPI runs it in a thread, since it may wait for an issuer or a store."""

    def __init__(self, guard: Guard, needs: Needs) -> None:
        self._guard = guard
        self._needs = needs
        self.model = HTTPBearer(bearerFormat="JWT", description=" ".join(needs.scopes) or None)
        self.scheme_name = "access token"

    def __call__(self, request: Request, response: Response) -> Principal:
        try:
            admission = self._guard.admit(presented_by(request.scope, self._guard.certificates), self._needs)
        except GuardError as error:
            raise _refusal(error) from error
        response.headers.update(admission.headers)
        return admission.principal


def _refusal(error: GuardError) -> HTTPException:
    headers = {"Cache-Control": "no-store", **error.headers()}
    return HTTPException(error.status, detail=dict(error.body()) or None, headers=headers)
