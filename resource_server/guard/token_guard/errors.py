"""Refusals: what the caller is told (RFC 6750 §3), and the reason that is for the log alone."""

from __future__ import annotations

from collections.abc import Mapping


class GuardError(Exception):
    """A request that may not pass. `status` is 400, 401, 403 or 503; `code` an RFC 6750 error code, empty where there is none."""

    def __init__(
        self,
        status: int,
        code: str = "",
        description: str = "",
        *,
        reason: str,
        scope: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {reason}")
        self.status = status
        self.code = code
        self.description = description
        self.reason = reason
        self.scope = scope
        self.retry_after = retry_after

    def headers(self, realm: str | None = None) -> Mapping[str, str]:
        """The challenge, or `Retry-After` where the guard cannot know."""
        if self.status == 503:
            return {"Retry-After": str(self.retry_after or 5)}
        parts = {"realm": realm, "error": self.code, "error_description": self.description, "scope": self.scope}
        parameters = ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
        return {"WWW-Authenticate": f"Bearer {parameters}".strip()}


def no_token(reason: str) -> GuardError:
    """No credentials at all: a bare challenge, no error code (RFC 6750 §3.1)."""
    return GuardError(401, reason=reason)


def invalid_request(reason: str) -> GuardError:
    """Malformed or repeated credentials."""
    return GuardError(400, "invalid_request", "The request presents its token in a wrong way", reason=reason)


def invalid_token(reason: str) -> GuardError:
    """A token that is not good, for whatever reason."""
    return GuardError(401, "invalid_token", "The access token is not valid", reason=reason)


def insufficient_scope(needed: str, reason: str) -> GuardError:
    """A good token that lacks a scope; the challenge names it."""
    description = "The access token lacks a scope"
    return GuardError(403, "insufficient_scope", description, reason=reason, scope=needed)


def cannot_know(reason: str, retry_after: int = 5) -> GuardError:
    """The keys are away: the token may be good, so this is never a 401."""
    description = "The token cannot be checked right now"
    return GuardError(503, "temporarily_unavailable", description, reason=reason, retry_after=retry_after)
