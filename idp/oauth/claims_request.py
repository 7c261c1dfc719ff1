"""The `claims` parameter (OpenID Connect Core §5.5): what is asked of the ID token and of userinfo, and what it demands of the login.

Claims and members we do not know are ignored; what is not of the form the specification gives is `invalid_request`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from idp.errors import ProtocolError
from idp.oauth.scopes import SCOPE_CLAIMS
from idp.platform.forms import parse_json

_PERSONAL = frozenset(claim for claims in SCOPE_CLAIMS.values() for claim in claims) - {"sub"}
_KNOWN = _PERSONAL | {"sub", "acr", "auth_time"}


@dataclass(frozen=True, slots=True)
class Demand:
    """What one claim shall be: one of `values` where there are any, and `essential` when nothing else will do (§5.5.1)."""

    values: tuple[str, ...] = ()
    essential: bool = False


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """The claims of the person asked for by name in either place, and the demands on `sub` and `acr`."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    sub: Demand = Demand()
    acr: Demand = Demand()

    def within(self, releasable: Collection[str]) -> ClaimsRequest:
        """The same without the claims that the client may not have."""
        userinfo, id_token = (
            tuple(claim for claim in asked if claim in releasable) for asked in (self.userinfo, self.id_token)
        )
        return ClaimsRequest(userinfo, id_token, self.sub, self.acr)


def parse(parameter: str | None) -> ClaimsRequest:
    """The request of a `claims` parameter; raises `invalid_request`."""
    if parameter is None:
        return ClaimsRequest()
    document = parse_json(parameter)
    if not isinstance(document, dict):
        _refuse()
    userinfo, id_token = (_member(document.get(name)) for name in ("userinfo", "id_token"))
    return ClaimsRequest(
        userinfo=tuple(claim for claim in userinfo if claim in _PERSONAL),
        id_token=tuple(claim for claim in id_token if claim in _PERSONAL),
        sub=id_token.get("sub") or userinfo.get("sub") or Demand(),
        acr=id_token.get("acr", Demand()),
    )


def _member(member: Any) -> Mapping[str, Demand]:
    """The known claims of one place."""
    if member is None:
        return {}
    if not isinstance(member, dict):
        _refuse()
    return {claim: _demand(asked) for claim, asked in member.items() if claim in _KNOWN}


def _demand(asked: Any) -> Demand:
    if asked is None:
        return Demand()
    if not isinstance(asked, dict):
        _refuse()
    essential, values = asked.get("essential", False), asked.get("values", [])
    if not isinstance(essential, bool) or not isinstance(values, list):
        _refuse()
    wanted = [asked["value"]] if "value" in asked else values
    return Demand(tuple(map(_comparable, wanted)), essential)


def _comparable(value: Any) -> str:
    """A value as `sub` and `acr` can have it; anything else is equal to none of theirs."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def _refuse() -> NoReturn:
    raise ProtocolError("invalid_request", "The parameter claims is malformed")
