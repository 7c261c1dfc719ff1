"""Software statements (RFC 7591 §2.3): metadata that somebody we trust vouches for, signed with keys they publish."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.remote_keys import RemoteKeys
from idp.oauth.signed import ALGORITHMS, fitting_at, peek, verified

_TYPES = frozenset({None, "jwt"})
_SKEW = 10


class SoftwareStatements:
    """Reads statements of the issuers that the operator trusts: issuer -> the URL of its keys."""

    def __init__(self, remote: RemoteKeys, clock: Clock, issuer: str, trusted: Mapping[str, str]) -> None:
        self._remote = remote
        self._clock = clock
        self._issuer = issuer
        self._trusted = trusted

    def claims(self, statement: Any) -> Mapping[str, Any]:
        """What the statement says; raises `Refused` with the codes of RFC 7591 §3.2.2."""
        said = peek(statement)
        if said is None or not isinstance(said.get("iss"), str):
            _refuse("invalid", "is not a signed JWT that names its issuer")
        url = self._trusted.get(said["iss"])
        if url is None:
            _refuse("unapproved", "comes from an issuer that is not trusted here")
        found = verified(statement, partial(fitting_at, self._remote, url), algorithms=ALGORITHMS, types=_TYPES)
        if found is None:
            _refuse("invalid", "is not signed by its issuer")
        if not self._holds_now(found.claims):
            _refuse("invalid", "has expired, is not valid yet or is meant for somebody else")
        return found.claims

    def _holds_now(self, claims: Mapping[str, Any]) -> bool:
        now, audience = self._clock.now(), claims.get("aud", self._issuer)
        expires, begins, issued = (claims.get(name, now) for name in ("exp", "nbf", "iat"))
        if not all(isinstance(time, (int, float)) and not isinstance(time, bool) for time in (expires, begins, issued)):
            return False
        timely = ("exp" not in claims or expires > now) and max(begins, issued) <= now + _SKEW
        return timely and self._issuer in (audience if isinstance(audience, list) else [audience])


def _refuse(kind: str, description: str) -> NoReturn:
    raise Refused(f"{kind}_software_statement", f"software_statement {description}")
