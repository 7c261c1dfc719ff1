"""Sender constraint: a bound token is taken only from who holds its key or certificate, and never as a plain bearer token."""

from __future__ import annotations

from token_guard.challenges import DPOP
from token_guard.checks import Check
from token_guard.dpop import Dpop, Proof, verify_proof
from token_guard.errors import GuardError, invalid_proof, invalid_token
from token_guard.presented import Credentials, Presented
from token_guard.principal import Principal

_KEY, _CERTIFICATE = "jkt", "x5t#S256"
_KNOWN = frozenset({_KEY, _CERTIFICATE})
_AS_BEARER = "The access token is bound to a key: send it with the DPoP scheme and a proof"
_NOT_BOUND = "The access token is not bound to a key: send it with the Bearer scheme"
_CERTIFICATE_NEEDED = "The access token is bound to a client certificate that this connection does not have"


def check_binding(
    *,
    credentials: Credentials,
    principal: Principal,
    presented: Presented,
    base_url: str,
    dpop: Dpop | None,
    now: float,
) -> Proof | None:
    """That the caller holds what the token is bound to (`cnf`); the proof, which is still to be used up. Raises `GuardError`."""
    confirmation = principal.confirmation or {}
    if not confirmation.keys() <= _KNOWN or not all(isinstance(value, str) for value in confirmation.values()):
        raise invalid_token(Check.BINDING, f"the token is bound in another way: {', '.join(confirmation)}"[:200])
    if _CERTIFICATE in confirmation and confirmation[_CERTIFICATE] != presented.certificate:
        what = "another" if presented.certificate else "no"
        raise invalid_token(Check.CERTIFICATE, f"there is {what} client certificate", _CERTIFICATE_NEEDED)
    if _KEY in confirmation:
        return _proved(confirmation[_KEY], credentials, presented, base_url, dpop, now)
    if credentials.scheme == DPOP:
        raise invalid_token(Check.BINDING, "a token that is bound to no key came with the DPoP scheme", _NOT_BOUND)
    return None


def _proved(
    thumbprint: str, credentials: Credentials, presented: Presented, base_url: str, dpop: Dpop | None, now: float
) -> Proof:
    if credentials.scheme != DPOP or dpop is None:
        raise invalid_token(Check.BINDING, "a token that is bound to a key came as a bearer token", _AS_BEARER)
    return verify_proof(
        proof=_single(presented.proofs),
        method=presented.method,
        url=base_url + presented.path,
        token=credentials.token,
        thumbprint=thumbprint,
        policy=dpop,
        now=now,
    )


def _single(proofs: tuple[str, ...]) -> str:
    if not proofs:
        raise _no_proof("there is no DPoP header")
    if len(proofs) > 1 or "," in proofs[0]:
        raise _no_proof("the DPoP header is repeated")
    return proofs[0].strip(" ")


def _no_proof(reason: str) -> GuardError:
    return invalid_proof(Check.PROOF, reason)
