"""Refusals: what the caller is told (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3), and the reason that is for the log alone."""

from __future__ import annotations

from collections.abc import Mapping

from token_guard.challenges import Offer
from token_guard.checks import ADVICE, Check

_CHALLENGED = frozenset({"insufficient_scope"})


class GuardError(Exception):
    """A request that may not pass. `status` is 400, 401, 403 or 503; `code` a registered error code, empty where there is none.

    `parameters` are further parameters of the challenge; `check` and `reason` never leave the API.
    """

    def __init__(
        self,
        status: int,
        code: str = "",
        description: str = "",
        *,
        check: Check,
        reason: str,
        parameters: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {reason}")
        self.status = status
        self.code = code
        self.description = description
        self.check = check
        self.reason = reason
        self.parameters = parameters or {}
        self.retry_after = retry_after
        self.offer = Offer()
        self.scheme: str | None = None
        self.nonce: str | None = None
        self.trace_id: str | None = None

    @property
    def advice(self) -> str:
        """What to do about it, for whoever runs the client, the API or the issuer."""
        return ADVICE[self.check]

    def headers(self) -> Mapping[str, str]:
        """The challenge where another token would help, `Retry-After` where the guard cannot know, a fresh nonce where one is needed."""
        headers: dict[str, str] = {}
        if self.status == 503:
            headers["Retry-After"] = str(self.retry_after or 5)
        elif self.status in (400, 401) or self.code in _CHALLENGED:
            told = {"error": self.code, "error_description": self.description, **self.parameters} if self.code else {}
            headers["WWW-Authenticate"] = self.offer.challenge(told, scheme=self.scheme)
        if self.nonce:
            headers["DPoP-Nonce"] = self.nonce
        return headers

    def body(self) -> Mapping[str, str]:
        """The members of a plain JSON answer; empty where the challenge says it all (RFC 6750 §3.1)."""
        members = {"error": self.code, "error_description": self.description, "trace_id": self.trace_id or ""}
        return {name: value for name, value in members.items() if value} if self.code else {}


def no_token(reason: str) -> GuardError:
    """No credentials at all: a bare challenge, no error code (RFC 6750 §3.1)."""
    return GuardError(401, check=Check.CREDENTIALS, reason=reason)


def invalid_request(reason: str) -> GuardError:
    """Malformed credentials."""
    description = "The request presents its token in a wrong way"
    return GuardError(400, "invalid_request", description, check=Check.CREDENTIALS, reason=reason)


def invalid_token(check: Check, reason: str, description: str = "The access token is not valid") -> GuardError:
    """A token that is not good, for whatever reason."""
    return GuardError(401, "invalid_token", description, check=check, reason=reason)


def invalid_proof(check: Check, reason: str) -> GuardError:
    """A DPoP proof that proves nothing (RFC 9449 §7.1)."""
    return GuardError(401, "invalid_dpop_proof", "The DPoP proof is not valid", check=check, reason=reason)


def use_nonce(nonce: str, reason: str) -> GuardError:
    """A proof without a nonce of ours, or with an old one; the answer carries a new one (RFC 9449 §9)."""
    description = "The DPoP proof needs the nonce of this answer"
    error = GuardError(401, "use_dpop_nonce", description, check=Check.PROOF_NONCE, reason=reason)
    error.nonce = nonce
    return error


def insufficient_scope(needed: str, reason: str) -> GuardError:
    """A good token that lacks a scope; the challenge names it."""
    description = "The access token lacks a scope"
    told = {"scope": needed}
    return GuardError(403, "insufficient_scope", description, check=Check.SCOPE, reason=reason, parameters=told)


def forbidden(check: Check, code: str, description: str, reason: str) -> GuardError:
    """Something no other scope would help against: 403 without a challenge."""
    return GuardError(403, code, description, check=check, reason=reason)


def insufficient_authentication(*, acr_values: tuple[str, ...], max_age: int | None, reason: str) -> GuardError:
    """The person must log in again, better or more recently (RFC 9470 §3)."""
    told = {"acr_values": " ".join(acr_values)} if acr_values else {}
    if max_age is not None:
        told["max_age"] = str(max_age)
    return GuardError(
        401,
        "insufficient_user_authentication",
        "A stronger or more recent login is needed",
        check=Check.STEP_UP,
        reason=reason,
        parameters=told,
    )


def cannot_know(check: Check, reason: str, retry_after: int = 5) -> GuardError:
    """What is needed to judge is away: the token may be good, so this is never a 401."""
    description = "The token cannot be checked right now"
    return GuardError(
        503, "temporarily_unavailable", description, check=check, reason=reason, retry_after=max(1, retry_after)
    )
