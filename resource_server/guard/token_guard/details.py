"""`authorization_details` at the API: what was authorized in detail is all that may be done, and where it says so, once (RFC 9396 §2, §9)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from token_guard.checks import Check
from token_guard.errors import cannot_know, forbidden
from token_guard.once import OnceStore, StoreError
from token_guard.principal import Principal

Detail = Mapping[str, Any]
Fits = Callable[[Detail], bool]
Same = Callable[[Principal, Detail], str]
_MONTH = 30 * 24 * 3600


def per_token(principal: Principal, detail: Detail) -> str:
    """Each detail once a token. A refreshed, narrowed or exchanged token is another one: where that matters, name something that stays."""
    return json.dumps([principal.client_id, principal.token_id, detail], sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsNeed:
    """One of the token's details must be of this `type`, hold all `actions`, be for one of `locations` (when it names any), and `fits`.

    `fits` is the app's own look at it: amount, currency, order; a detail it stumbles over does not fit. Not `required`: a token without
    any detail of the type passes. `same` names what one subject must not do twice, whichever token it comes with: by default the use of
    a detail of a token; `remember` says for how many seconds.
    """

    type: str
    actions: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    fits: Fits = bool
    required: bool = True
    same: Same = per_token
    remember: int = _MONTH


def find_detail(*, principal: Principal, need: DetailsNeed) -> Detail | None:
    """The first detail that allows what is needed; None where none is required and there is none. Raises `GuardError`."""
    candidates = [detail for detail in principal.details if detail.get("type") == need.type]
    if not candidates and not need.required:
        return None
    for detail in candidates:
        if _covers(detail, need):
            return detail
    reason = f"none of {len(candidates)} authorization_details of type {need.type} fits"
    description = "The authorization details of the access token do not allow this"
    raise forbidden(Check.DETAILS, "insufficient_authorization_details", description, reason)


def use_detail(*, principal: Principal, need: DetailsNeed, store: OnceStore, now: float) -> Detail | None:
    """`find_detail`, and use it up; raises `GuardError`, 503 when nobody can tell whether it was used."""
    detail = find_detail(principal=principal, need=need)
    if detail is None:
        return None
    try:
        first = store.use(used_as(principal=principal, need=need, detail=detail), now + need.remember)
    except StoreError as error:
        raise cannot_know(Check.STORE_AWAY, str(error)) from error
    if not first:
        description = "The authorization details of the access token were used before"
        raise forbidden(Check.DETAILS_USED, "insufficient_authorization_details", description, "used before")
    return detail


def _covers(detail: Detail, need: DetailsNeed) -> bool:
    actions, locations = detail.get("actions", []), detail.get("locations", need.locations)
    if not _holds(actions, need.actions) or (need.locations and not _meets(locations, need.locations)):
        return False
    try:
        return bool(need.fits(detail))
    except (LookupError, TypeError, ValueError):
        return False


def _holds(told: Any, wanted: tuple[str, ...]) -> bool:
    return isinstance(told, list) and all(one in told for one in wanted)


def _meets(told: Any, wanted: tuple[str, ...]) -> bool:
    return isinstance(told, (list, tuple)) and any(one in told for one in wanted)


def used_as(*, principal: Principal, need: DetailsNeed, detail: Detail) -> str:
    """What `use_detail` remembers: for who hands on what was allowed to where it is used up. At most 64 characters."""
    same = need.same(principal, detail)
    canonical = json.dumps([principal.issuer, principal.subject, same], separators=(",", ":"))
    return "rar:" + base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode("ascii")
