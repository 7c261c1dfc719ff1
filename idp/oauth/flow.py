"""The one dispatcher of a login: from facts to the next step, a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What happens next."""

    LOGIN = "login"
    CONSENT = "consent"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request ends with this error (OpenID Connect Core §3.1.2.6)."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the decision depends on. Times are epoch seconds.

    `fresh`: the person logged in for this very request. `consented`: they allowed it in this very request. `remembered`: an earlier
    consent covers all that is asked. `trusted`: the operator lets this client skip consent. `provable`: the client's identity is proven
    by where the answer goes.
    """

    now: int
    sub: str | None
    auth_time: int | None
    fresh: bool
    consented: bool
    remembered: bool
    trusted: bool
    provable: bool
    prompt: frozenset[str]
    max_age: int | None
    hinted_sub: str | None


LOGIN_REQUIRED = Refusal("login_required", "The person must log in")
CONSENT_REQUIRED = Refusal("consent_required", "The person must consent")


def next_step(facts: Facts) -> Step | Refusal:
    """LOGIN, CONSENT, ISSUE or the error to answer with; `prompt=none` never shows a page."""
    silent = "none" in facts.prompt
    if needs_login(facts):
        return LOGIN_REQUIRED if silent or facts.fresh else Step.LOGIN
    if needs_consent(facts):
        return CONSENT_REQUIRED if silent else Step.CONSENT
    return Step.ISSUE


def needs_login(facts: Facts) -> bool:
    """Whether nobody, somebody else, or somebody too long ago is logged in. A fresh login as another person than hinted still counts as wrong."""
    if facts.sub is None or facts.auth_time is None:
        return True
    if facts.hinted_sub is not None and facts.hinted_sub != facts.sub:
        return True
    if facts.fresh:
        return False
    if facts.prompt & {"login", "select_account"}:
        return True
    return facts.max_age is not None and (facts.max_age == 0 or facts.now - facts.auth_time > facts.max_age)


def needs_consent(facts: Facts) -> bool:
    """Whether the person must be asked: not twice in one request, never for trusted clients unless `prompt=consent`."""
    if facts.consented:
        return False
    if "consent" in facts.prompt:
        return True
    return not facts.trusted and not (facts.remembered and facts.provable)
