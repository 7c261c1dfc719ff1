"""The claims of an access token: all that must be there is, nothing has a wrong shape, the times fit (RFC 9068 §2.2, §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from token_guard.checks import Check
from token_guard.errors import invalid_token
from token_guard.principal import Principal, StatusReference
from token_guard.trust import ClaimPath, IssuerTrust

_MAX_ENTRIES = 64
_MAX_ACTORS = 8
Claims = Mapping[str, Any]


def read_claims(*, claims: Claims, trust: IssuerTrust, now: float) -> Principal:
    """The caller these claims speak of, when they are of this issuer, for us and in time; raises `invalid_token`."""
    if claims.get("iss") != trust.issuer:
        raise invalid_token(Check.ISSUER, "the issuer is another")
    _check_shapes(claims)
    principal = _principal(claims, trust)
    _check_audience(principal, trust)
    _check_times(claims, trust, now)
    return principal


def is_time(value: Any) -> bool:
    """Whether a value is a NumericDate that means something (RFC 7519 §2)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_ENTRIES and all(map(_is_filled, value))


def _is_audience(value: Any) -> bool:
    return _is_filled(value) or (_is_list(value) and bool(value))


def _is_confirmation(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _are_details(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MAX_ENTRIES
        and all(isinstance(one, dict) and _is_filled(one.get("type")) for one in value)
    )


_SHAPES: tuple[tuple[str, bool, Callable[[Any], bool]], ...] = (
    ("exp", True, is_time),
    ("iat", True, is_time),
    ("aud", True, _is_audience),
    ("nbf", False, is_time),
    ("auth_time", False, is_time),
    ("acr", False, _is_text),
    ("cnf", False, _is_confirmation),
    ("authorization_details", False, _are_details),
)
"""Claim by claim: whether it is required, and what its value must be. Those a `ClaimMap` names are read apart."""


def _check_shapes(claims: Claims) -> None:
    for name, required, fits in _SHAPES:
        if name in claims:
            if not fits(claims[name]):
                raise _misshapen(name)
        elif required:
            raise _missing(name)


def _check_audience(principal: Principal, trust: IssuerTrust) -> None:
    named = principal.audience
    if not trust.audiences.isdisjoint(named):
        return
    if named.isdisjoint(trust.delegated_audiences):
        raise invalid_token(Check.AUDIENCE, f"the audience is {', '.join(sorted(named))}"[:200])
    if not principal.is_service and not principal.actors:
        raise invalid_token(Check.AUDIENCE, "this audience is for services and what they do for others")


def _check_times(claims: Claims, trust: IssuerTrust, now: float) -> None:
    if claims["exp"] <= now - trust.skew:
        raise invalid_token(Check.EXPIRED, f"the token expired {now - claims['exp']:.0f} s ago")
    begins = max(claims["iat"], claims.get("nbf", 0))
    if begins > now + trust.skew:
        raise invalid_token(Check.NOT_YET, f"the token begins in {begins - now:.0f} s")
    if claims["exp"] > now + trust.max_lifetime + trust.skew:
        raise invalid_token(Check.LIFETIME, f"the token lives {claims['exp'] - now:.0f} s more")


def _principal(claims: Claims, trust: IssuerTrust) -> Principal:
    names = trust.claims
    auth_time, audience = claims.get("auth_time"), claims["aud"]
    return Principal(
        issuer=trust.issuer,
        subject=_text(claims, names.subject),
        client_id=_text(claims, names.client_id),
        scopes=_words(claims, names.scope),
        roles=_listed(claims, names.roles),
        token_id=_text(claims, names.token_id),
        issued_at=int(claims["iat"]),
        expires_at=int(claims["exp"]),
        auth_time=None if auth_time is None else int(auth_time),
        acr=claims.get("acr"),
        claims=claims,
        actors=_actors(claims.get("act")),
        details=tuple(claims.get("authorization_details", ())),
        audience=frozenset(audience if isinstance(audience, list) else (audience,)),
        confirmation=claims.get("cnf"),
        status=_status(claims, trust),
    )


def _found(claims: Claims, path: ClaimPath) -> Any:
    if isinstance(path, str):
        return claims.get(path)
    value: Any = claims
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(claims: Claims, path: ClaimPath) -> str:
    value = _found(claims, path)
    if not _is_filled(value):
        raise _missing(path) if value is None else _misshapen(path)
    return str(value)


def _words(claims: Claims, path: ClaimPath) -> frozenset[str]:
    """A scope: words in a text (RFC 8693 §4.2), or the list that some issuers make of them where their map says so."""
    value = _found(claims, path)
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return frozenset(value.split())
    if path != "scope" and _is_list(value):
        return frozenset(value)
    raise _misshapen(path)


def _listed(claims: Claims, path: ClaimPath) -> frozenset[str]:
    value = _found(claims, path)
    if value is None:
        return frozenset()
    if not _is_list(value):
        raise _misshapen(path)
    return frozenset(value)


def _actors(act: Any) -> tuple[str, ...]:
    """Who acts, the current actor first, those before it behind (RFC 8693 §4.1)."""
    actors: list[str] = []
    while act is not None:
        if not isinstance(act, dict) or not _is_filled(act.get("sub")) or len(actors) == _MAX_ACTORS:
            raise _misshapen("act")
        actors.append(act["sub"])
        act = act.get("act")
    return tuple(actors)


def _status(claims: Claims, trust: IssuerTrust) -> StatusReference | None:
    """The token's place in a status list, which lies where the issuer's lists lie."""
    told = claims.get("status")
    if told is None and not trust.status_required:
        return None
    place = told.get("status_list") if isinstance(told, dict) else None
    uri, index = (place.get("uri"), place.get("idx")) if isinstance(place, dict) else (None, None)
    if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise _misshapen("status")
    if not uri.startswith(trust.status_uris):
        raise invalid_token(Check.STATUS, f"the status list {uri!r} is not the issuer's"[:300])
    return StatusReference(uri, index)


def _missing(path: ClaimPath) -> Exception:
    return invalid_token(Check.CLAIMS, f"the claim {_named(path)} is missing")


def _misshapen(path: ClaimPath) -> Exception:
    return invalid_token(Check.CLAIMS, f"the claim {_named(path)} has a wrong type")


def _named(path: ClaimPath) -> str:
    return path if isinstance(path, str) else ".".join(path)
