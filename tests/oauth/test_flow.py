"""The decision of a login: which page comes next, for every combination of facts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from idp.oauth.flow import CONSENT_REQUIRED, LOGIN_REQUIRED, UNMET, Facts, Refusal, Step, next_step
from idp.users.login.chain import LEVELS
from tests.oauth.support import many

NOW = 1_800_000_000
PROMPTS = [{"none"}, set(), {"login"}, {"consent"}, {"select_account"}, {"login", "consent"}, {"create"}]
people = st.none() | st.sampled_from(["alice", "bob"])
levels = st.sampled_from(LEVELS)


@st.composite
def situations(draw: st.DrawFn) -> Facts:
    """Any facts that can occur: who is logged in did so at some time."""
    sub = draw(people)
    age = draw(st.integers(0, 5000))
    flags = {name: draw(st.booleans()) for name in ("fresh", "consented", "remembered", "trusted", "provable")}
    flags["fresh"] = flags["fresh"] and sub is not None
    return Facts(
        now=NOW,
        sub=sub,
        auth_time=None if sub is None else NOW - age,
        prompt=frozenset(draw(st.sampled_from(PROMPTS))),
        max_age=draw(st.none() | st.integers(0, 4000)),
        subs=frozenset(draw(st.sets(st.sampled_from(["alice", "bob", "carol"]), max_size=2))),
        acr=None if sub is None else draw(levels),
        wanted_acr=tuple(draw(st.lists(levels, max_size=2, unique=True))),
        essential_acr=draw(st.booleans()),
        reachable_acr=LEVELS[: draw(st.integers(1, len(LEVELS)))],
        foreign=sub is not None and draw(st.booleans()),
        needs_factor=sub is not None and draw(st.booleans()),
        **flags,
    )


@many
@given(situations())
def test_prompt_none_never_shows_a_page(facts: Facts) -> None:
    step = next_step(replace(facts, prompt=frozenset({"none"})))
    assert step in {Step.ISSUE, LOGIN_REQUIRED, CONSENT_REQUIRED, UNMET}


@many
@given(situations())
def test_only_a_page_that_may_not_be_shown_or_the_wrong_person_is_refused(facts: Facts) -> None:
    step = next_step(facts)
    if isinstance(step, Refusal) and step != UNMET and "none" not in facts.prompt:
        assert step == LOGIN_REQUIRED
        assert facts.fresh
        assert facts.foreign or facts.sub not in facts.subs


@many
@given(situations())
def test_whoever_logs_in_as_somebody_else_than_named_is_not_asked_again_and_again(facts: Facts) -> None:
    wrong = replace(facts, sub="mallory", subs=frozenset({"alice"}), auth_time=NOW, acr="1fa", fresh=True)
    assert next_step(wrong) in {LOGIN_REQUIRED, UNMET}


@many
@given(situations())
def test_nobody_consents_or_gets_a_code_before_the_right_person_is_logged_in(facts: Facts) -> None:
    if next_step(facts) in {Step.CONSENT, Step.ISSUE}:
        assert facts.sub is not None
        assert facts.auth_time is not None
        assert not facts.subs or facts.sub in facts.subs


@many
@given(situations())
def test_an_old_login_is_repeated(facts: Facts) -> None:
    if facts.fresh or facts.auth_time is None:
        return
    easy = replace(facts, prompt=frozenset(), subs=frozenset(), wanted_acr=(), foreign=False)
    old = replace(easy, max_age=NOW - facts.auth_time - 1)
    if old.max_age is not None and old.max_age >= 0:
        assert next_step(old) is Step.LOGIN
        assert next_step(replace(old, max_age=NOW - facts.auth_time + 1)) is not Step.LOGIN
    assert next_step(replace(old, max_age=0)) is Step.LOGIN


@many
@given(situations(), st.sampled_from(["login", "select_account"]))
def test_a_login_that_is_asked_for_must_be_fresh(facts: Facts, prompt: str) -> None:
    asked = replace(facts, prompt=frozenset({prompt}), fresh=False, essential_acr=False)
    assert next_step(asked) is Step.LOGIN


@many
@given(situations())
def test_an_account_that_is_asked_for_is_offered_before_any_login(facts: Facts) -> None:
    asked = replace(facts, prompt=frozenset({"create"}), essential_acr=False)
    assert (next_step(asked) is Step.SIGN_UP) is (not facts.fresh)


@many
@given(situations())
def test_an_essential_level_is_met_or_refused(facts: Facts) -> None:
    essential = replace(facts, essential_acr=True)
    step = next_step(essential)
    wanted = [LEVELS.index(level) for level in facts.wanted_acr]
    if wanted and step in {Step.ISSUE, Step.CONSENT}:
        assert facts.acr is not None
        assert LEVELS.index(facts.acr) >= min(wanted)
    level = -1 if facts.acr is None else LEVELS.index(facts.acr)
    if wanted and min(wanted) >= len(facts.reachable_acr) and min(wanted) > level:
        assert step == UNMET


@many
@given(situations())
def test_a_level_that_is_only_wished_for_never_ends_a_request(facts: Facts) -> None:
    step = next_step(replace(facts, essential_acr=False))
    assert step != UNMET
    if isinstance(step, Refusal):
        assert step == next_step(replace(facts, essential_acr=False, wanted_acr=()))


@many
@given(situations())
def test_a_session_of_one_factor_is_stepped_up_and_a_stronger_one_replaced(facts: Facts) -> None:
    weak = replace(facts, sub="alice", auth_time=NOW, acr="1fa", subs=frozenset(), prompt=frozenset(), max_age=None)
    weak = replace(weak, fresh=False, wanted_acr=("2fa",), reachable_acr=LEVELS)
    weak = replace(weak, foreign=False)
    assert next_step(weak) is Step.STEP_UP
    asks_more = next_step(replace(weak, acr="2fa", wanted_acr=("phr",), needs_factor=False))
    assert asks_more is Step.LOGIN
    weak = replace(weak, needs_factor=False)
    assert next_step(replace(weak, acr="phr")) not in {Step.LOGIN, Step.STEP_UP}
    silent = next_step(replace(weak, prompt=frozenset({"none"})))
    assert (silent == LOGIN_REQUIRED) is facts.essential_acr


@many
@given(situations())
def test_nobody_gets_past_what_the_policy_wants(facts: Facts) -> None:
    if next_step(facts) in {Step.ISSUE, Step.CONSENT}:
        assert not facts.foreign
        assert not facts.needs_factor


@many
@given(situations())
def test_a_code_needs_consent_now_or_then_or_trust(facts: Facts) -> None:
    if next_step(facts) is Step.ISSUE:
        assert facts.consented or facts.trusted or (facts.remembered and facts.provable)
        assert facts.consented or "consent" not in facts.prompt


@many
@given(situations())
def test_consent_is_asked_at_most_once_in_a_request(facts: Facts) -> None:
    assert next_step(replace(facts, consented=True)) is not Step.CONSENT


@many
@given(situations())
def test_a_login_always_comes_to_an_end(facts: Facts) -> None:
    """Whoever does what the page asks, as well as they can, gets a page at most once of each kind."""
    step = next_step(facts)
    if step in {Step.LOGIN, Step.SIGN_UP}:
        person, level = next(iter(facts.subs), "alice"), facts.acr or facts.reachable_acr[-1]
        facts = replace(facts, sub=person, auth_time=NOW, acr=level, fresh=True, foreign=False, needs_factor=False)
        step = next_step(facts)
    if step is Step.STEP_UP:
        facts = replace(facts, acr=facts.reachable_acr[-1], needs_factor=False)
        step = next_step(facts)
    if step is Step.CONSENT:
        step = next_step(replace(facts, consented=True))
    assert step is Step.ISSUE or isinstance(step, Refusal)


@many
@given(situations())
def test_remembering_and_trust_never_make_things_harder(facts: Facts) -> None:
    rank = {Step.ISSUE: 2, Step.CONSENT: 1, CONSENT_REQUIRED: 1}
    rank |= dict.fromkeys((Step.LOGIN, Step.STEP_UP, Step.SIGN_UP, LOGIN_REQUIRED, UNMET), 0)
    before = rank[next_step(facts)]
    for easier in ({"remembered": True}, {"trusted": True}, {"provable": True}, {"consented": True}):
        assert rank[next_step(replace(facts, **easier))] >= before
