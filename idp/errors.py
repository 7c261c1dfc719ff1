"""Errors as values: a public code and text, a private detail, and the HTTP status they become at the edge.

`description` is what strangers may read (plain ASCII without quotes or backslashes, RFC 6749 §5.2); `detail` is for the log only.
"""

from __future__ import annotations

from collections.abc import Mapping

from idp.marked import N_


class IdpError(Exception):
    """The root of every error this program raises on purpose."""

    status = 400

    def __init__(self, code: str, description: str = "", *, detail: str = "") -> None:
        super().__init__(f"{code}: {detail or description}")
        self.code = code
        self.description = description
        self.detail = detail

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers the answer must carry, such as `Retry-After`."""
        return {}


class ProtocolError(IdpError):
    """A standard error of a protocol endpoint, answered as JSON (RFC 6749 §5.2, RFC 6750 §3.1)."""

    def __init__(
        self,
        code: str,
        description: str = "",
        *,
        status: int = 400,
        challenge: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(code, description, detail=detail)
        self.status = status
        self.challenge = challenge

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": self.challenge} if self.challenge else {}


class AuthorizationError(IdpError):
    """A refused authorization request. It leaves by redirect only when client and redirect URI are proven (RFC 6749 §4.1.2.1)."""

    def __init__(
        self,
        code: str,
        description: str = "",
        *,
        may_redirect: bool = True,
        status: int = 400,
        detail: str = "",
    ) -> None:
        super().__init__(code, description, detail=detail)
        self.may_redirect = may_redirect
        self.status = status


class PageError(IdpError):
    """Something a person did that cannot go on: shown as a page with a sentence and a trace id."""

    def __init__(self, code: str, description: str, *, status: int = 400, detail: str = "") -> None:
        super().__init__(code, description, detail=detail)
        self.status = status


class Refused(IdpError):
    """An operation of the command line or an internal service that the rules do not allow; exit status 1."""


class TooManyRequests(IdpError):
    """A limit was reached; the caller may come back after `retry_after` seconds (RFC 6585 §4)."""

    status = 429

    def __init__(self, retry_after: int, description: str = N_("Too many attempts, try again later")) -> None:
        super().__init__("too_many_requests", description)
        self.retry_after = max(1, retry_after)

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Unavailable(IdpError):
    """Something we cannot do without is away (the database, the keys); nothing was changed (RFC 9110 §15.6.4)."""

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__("temporarily_unavailable", N_("The service is busy, try again shortly"), detail=detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after)}
