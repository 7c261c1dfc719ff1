"""What a request shows of its caller, whatever carries it: HTTP, gRPC or a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from token_guard.challenges import BEARER, DPOP
from token_guard.checks import Check
from token_guard.errors import invalid_request, invalid_token, no_token

_SCHEMES = {BEARER.lower(): BEARER, DPOP.lower(): DPOP}
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_SECOND_SCHEME = re.compile(r",\s*[A-Za-z][A-Za-z0-9-]*\s+\S")


@dataclass(frozen=True, slots=True)
class Presented:
    """`authorization` and `proofs` hold each Authorization and DPoP field there is. `path` is the request's, encoded as it came.

    `certificate` is the thumbprint of the client's certificate (RFC 8705 §3.1); `trace_id` is how the request is known in logs.
    """

    authorization: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    certificate: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token and the scheme it came with."""

    scheme: str
    token: str


def credentials_of(authorization: Sequence[str]) -> Credentials:
    """The token of the Authorization header fields (RFC 6750 §2.1, RFC 9449 §7.1); raises `GuardError`.

    Servers join repeated fields with a comma, so two sets of credentials are seen in either form.
    """
    if not authorization or not any(authorization):
        raise no_token("no Authorization header")
    if len(authorization) > 1 or _SECOND_SCHEME.search(authorization[0]):
        raise invalid_token(Check.CREDENTIALS, "the Authorization header is repeated")
    named, _, rest = authorization[0].partition(" ")
    scheme = _SCHEMES.get(named.lower())
    if scheme is None:
        raise no_token("another authentication scheme")
    token = rest.strip(" ")
    if any(character in token for character in " ,") or not token:
        raise invalid_request("the Authorization header is malformed")
    return Credentials(scheme, token)
