"""Which audience a token gets and which scopes: CONTRACT's rules as pure functions over a client and its resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain

from idp.errors import ProtocolError
from idp.oauth import scopes
from idp.oauth.clients import Client
from idp.oauth.resources import Resource

FindResource = Callable[[str], Resource | None]


def audiences(client: Client, asked: Sequence[str], find: FindResource, issuer: str) -> tuple[Resource, ...]:
    """The resources a request is for: those it names, else the client's first, else the issuer; raises `invalid_target` (RFC 8707 §2)."""
    if not asked:
        default = find(client.audiences[0]) if client.audiences else find(issuer)
        if default is None:
            raise ProtocolError("invalid_target", "The default resource of this client is gone")
        return (default,)
    found = tuple(find(uri) for uri in dict.fromkeys(asked) if uri in client.audiences or uri == issuer)
    if None in found or len(found) != len(set(asked)):
        raise ProtocolError("invalid_target", "The resource is unknown or not for this client")
    return tuple(resource for resource in found if resource is not None)


def allowed(client: Client, resources: Iterable[Resource], *, person: bool) -> tuple[str, ...]:
    """All scopes a client may have for these resources; the OpenID ones only where a person logs in."""
    theirs = tuple(tuple(resource.scopes) for resource in resources)
    return _allowed(client.scope, "refresh_token" in client.grant_types, theirs, person)


def _allowed(
    registered: tuple[str, ...] | None, refreshes: bool, theirs: tuple[tuple[str, ...], ...], person: bool
) -> tuple[str, ...]:
    ours = tuple(scopes.OPENID_SCOPES) if person else ()
    every = tuple(dict.fromkeys((*ours, *chain.from_iterable(theirs))))
    may = every if registered is None else tuple(scope for scope in every if scope in registered)
    return may if refreshes else tuple(scope for scope in may if scope != "offline_access")


def granted(client: Client, asked: str | None, resources: Iterable[Resource], *, person: bool) -> tuple[str, ...]:
    """The scopes of a request after narrowing; raises `invalid_scope` when nothing is left."""
    theirs = tuple(tuple(resource.scopes) for resource in resources)
    return _granted(client.scope, "refresh_token" in client.grant_types, asked, theirs, person)


@lru_cache(maxsize=1024)
def _granted(
    registered: tuple[str, ...] | None,
    refreshes: bool,
    asked: str | None,
    theirs: tuple[tuple[str, ...], ...],
    person: bool,
) -> tuple[str, ...]:
    wanted = scopes.parse(asked)
    may = _allowed(registered, refreshes, theirs, person)
    if not wanted:
        may = tuple(scope for scope in may if scope != "offline_access")  # never a default: it outlives the session
    left = scopes.narrow(wanted, may)
    if not left:
        raise ProtocolError("invalid_scope", "None of the requested scopes can be granted")
    return left


def for_token(grant_scope: str, asked: str | None, resource: Resource) -> tuple[str, ...]:
    """The part of a grant's scope that a token for one resource carries; raises `invalid_scope` for more than was granted (RFC 6749 §6)."""
    had = scopes.parse(grant_scope)
    wanted = scopes.parse(asked)
    if not set(wanted) <= set(had):
        raise ProtocolError("invalid_scope", "The scope exceeds what was granted")
    left = tuple(scope for scope in (wanted or had) if scope in scopes.OPENID_SCOPES or scope in resource.scopes)
    if not left:
        raise ProtocolError("invalid_scope", "None of the granted scopes belong to this resource")
    return left


def gives_refresh_token(client: Client, granted_scopes: Iterable[str]) -> bool:
    """Whether a grant comes with a refresh token: the client registered it, and `offline_access` was granted or `openid` not asked."""
    had = set(granted_scopes)
    return "refresh_token" in client.grant_types and ("offline_access" in had or "openid" not in had)
