"""Authentication context classes, weakest first: a stronger login meets a weaker demand (OpenID Connect Core §2, §5.5.1.1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from idp.users.login.chain import LEVELS

WEAKEST = LEVELS[0]


def known(values: Sequence[str]) -> tuple[str, ...]:
    """Those of these values that any login of ours could ever have."""
    return tuple(value for value in values if value in LEVELS)


def meets(level: str, wanted: Collection[str]) -> bool:
    """Whether a login of this level is as strong as one of the wanted ones; it is when nothing is wanted."""
    return not wanted or any(_rank(level) >= _rank(one) for one in wanted)


def goal(wanted: Sequence[str], reachable: Collection[str]) -> str | None:
    """The first wanted level, in the order of preference, that a login can reach here."""
    return next((one for one in wanted if any(_rank(level) >= _rank(one) for level in reachable)), None)


def told(level: str, wanted: Collection[str]) -> str:
    """The `acr` of the tokens: the strongest wanted level that the login reached, else the login's own; never more than it was."""
    reached = [one for one in wanted if _rank(one) <= _rank(level)]
    return max(reached, key=_rank) if reached else level


def _rank(level: str) -> int:
    """A level we do not know is weaker than every one we do."""
    return LEVELS.index(level) if level in LEVELS else -1
