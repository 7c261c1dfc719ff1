"""The one dispatcher of a login: from facts to the next step, a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idp.oauth import acr


class Step(Enum):
    """What happens next."""

    LOGIN = "login"
    STEP_UP = "step_up"
    SIGN_UP = "sign_up"
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

    `acr`: the level of the login there is; `wanted_acr`: the levels that will do, none for any; `essential_acr`: nothing less will;
    `reachable_acr`: the levels a login can reach here. `subs`: who may log in, empty for anybody.
    `fresh`: the person logged in for this very request. `consented`: they allowed it in this very request. `remembered`: an earlier
    consent covers all that is asked. `trusted`: the operator lets this client skip consent. `provable`: the client's identity is proven
    by where the answer goes. `detailed`: it asks for authorization details, which are allowed anew each time (RFC 9396).
    `foreign`: the login there is was made in a way that the client does not allow; `needs_factor`: policy wants two factors, it has one.
    `chosen`: the person chose this account for this very request.
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
    subs: frozenset[str]
    acr: str | None
    wanted_acr: tuple[str, ...]
    essential_acr: bool
    reachable_acr: tuple[str, ...]
    detailed: bool = False
    foreign: bool = False
    needs_factor: bool = False
    chosen: bool = False


LOGIN_REQUIRED = Refusal("login_required", "The person must log in")
UNMET = Refusal("unmet_authentication_requirements", "The login cannot be as strong as the app needs it")
CONSENT_REQUIRED = Refusal("consent_required", "The person must consent")


def next_step(facts: Facts) -> Step | Refusal:
    """LOGIN, STEP_UP, SIGN_UP, CONSENT, ISSUE or the error to answer with; `prompt=none` never shows a page."""
    silent = "none" in facts.prompt
    if facts.essential_acr and not is_reachable(facts):
        return UNMET
    if needs_login(facts):
        if silent or facts.fresh:
            return LOGIN_REQUIRED
        return Step.SIGN_UP if "create" in facts.prompt else Step.LOGIN
    if facts.needs_factor:
        return LOGIN_REQUIRED if silent else Step.STEP_UP
    if is_too_weak(facts):
        if facts.essential_acr:
            return UNMET if facts.fresh else LOGIN_REQUIRED if silent else _stronger(facts)
        if not silent and not facts.fresh:
            return _stronger(facts)
    if needs_consent(facts):
        return CONSENT_REQUIRED if silent else Step.CONSENT
    return Step.ISSUE


def needs_login(facts: Facts) -> bool:
    """Whether nobody, somebody else, or somebody too long ago is logged in. A fresh login as another person than named still counts as wrong."""
    if facts.sub is None or facts.auth_time is None:
        return True
    if (facts.subs and facts.sub not in facts.subs) or facts.foreign:
        return True
    if facts.fresh:
        return False
    if facts.prompt & {"login", "create"} or ("select_account" in facts.prompt and not facts.chosen):
        return True
    return facts.max_age is not None and (facts.max_age == 0 or facts.now - facts.auth_time > facts.max_age)


def _stronger(facts: Facts) -> Step:
    """A second factor is added to one; whatever else is missing needs another login."""
    return Step.STEP_UP if facts.acr == acr.WEAKEST else Step.LOGIN


def is_too_weak(facts: Facts) -> bool:
    """Whether the login there is falls short of what is wanted, while a stronger one can be had here."""
    return facts.acr is not None and not acr.meets(facts.acr, facts.wanted_acr) and is_reachable(facts)


def is_reachable(facts: Facts) -> bool:
    """Whether the login there is, or any other login here, could be as strong as it is wanted."""
    if facts.acr is not None and acr.meets(facts.acr, facts.wanted_acr):
        return True
    return not facts.wanted_acr or acr.goal(facts.wanted_acr, facts.reachable_acr) is not None


def needs_consent(facts: Facts) -> bool:
    """Whether the person must be asked: not twice in one request, and not for trusted clients but for details or `prompt=consent`."""
    if facts.consented:
        return False
    if "consent" in facts.prompt or facts.detailed:
        return True
    return not facts.trusted and not (facts.remembered and facts.provable)
