"""What an operator alone decides about a client (CONTRACT: operator fields)."""

from __future__ import annotations

from idp.oauth.profiles import KNOWN_BUT_NOT_BUILT, PROFILES
from idp.oauth.registration.face import Concern, Kind, flag, one_of, some_of, strings
from idp.users.login.policy import METHODS

_profile = one_of(*PROFILES)


def _profile_fault(value: object) -> str | None:
    known = isinstance(value, str) and value in KNOWN_BUT_NOT_BUILT
    return f"{value} is not built yet" if known else _profile(value)


MEMBERS: dict[str, Kind] = {
    "audience": strings,
    "consent": one_of("ask", "trusted"),
    "introspects": strings,
    "login_methods": some_of(*METHODS),
    "scope_claims_in_id_token": flag,
    "second_factor": one_of("optional", "required"),
    "security_profile": _profile_fault,
}
OPERATOR = Concern(MEMBERS)
OPERATOR_FIELDS = frozenset({"client_id", "client_secret", *MEMBERS})
"""What dynamic registration ignores."""
