"""The decision of a login: which page comes next, for every combination of facts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from idp.oauth.flow import CONSENT_REQUIRED, LOGIN_REQUIRED, Facts, Refusal, Step, next_step
from tests.oauth.support import many

NOW = 1_800_000_000
PROMPTS = [{"none"}, set(), {"login"}, {"consent"}, {"select_account"}, {"login", "consent"}]
people = st.none() | st.sampled_from(["alice", "bob"])


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
        hinted_sub=draw(people),
        **flags,
    )


@many
@given(situations())
def test_prompt_none_never_shows_a_page(facts: Facts) -> None:
    step = next_step(replace(facts, prompt=frozenset({"none"})))
    assert step in {Step.ISSUE, LOGIN_REQUIRED, CONSENT_REQUIRED}


@many
@given(situations())
def test_only_a_page_that_may_not_be_shown_or_the_wrong_person_is_refused(facts: Facts) -> None:
    step = next_step(facts)
    if isinstance(step, Refusal) and "none" not in facts.prompt:
        assert step == LOGIN_REQUIRED
        assert facts.fresh
        assert facts.sub != facts.hinted_sub


@many
@given(situations())
def test_whoever_logs_in_as_somebody_else_than_named_is_not_asked_again_and_again(facts: Facts) -> None:
    wrong = replace(facts, sub="mallory", hinted_sub="alice", auth_time=NOW, fresh=True)
    assert next_step(wrong) == LOGIN_REQUIRED


@many
@given(situations())
def test_nobody_consents_or_gets_a_code_before_the_right_person_is_logged_in(facts: Facts) -> None:
    if next_step(facts) in {Step.CONSENT, Step.ISSUE}:
        assert facts.sub is not None
        assert facts.auth_time is not None
        assert facts.hinted_sub in (None, facts.sub)


@many
@given(situations())
def test_an_old_login_is_repeated(facts: Facts) -> None:
    if facts.fresh or facts.auth_time is None:
        return
    old = replace(facts, prompt=frozenset(), hinted_sub=None, max_age=NOW - facts.auth_time - 1)
    if old.max_age is not None and old.max_age >= 0:
        assert next_step(old) is Step.LOGIN
        assert next_step(replace(old, max_age=NOW - facts.auth_time + 1)) is not Step.LOGIN
    assert next_step(replace(old, max_age=0)) is Step.LOGIN


@many
@given(situations(), st.sampled_from(["login", "select_account"]))
def test_a_login_that_is_asked_for_must_be_fresh(facts: Facts, prompt: str) -> None:
    asked = replace(facts, prompt=frozenset({prompt}), fresh=False)
    assert next_step(asked) is Step.LOGIN


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
    """Whoever does what the page asks gets a page at most once of each kind."""
    step = next_step(facts)
    if step is Step.LOGIN:
        facts = replace(facts, sub=facts.hinted_sub or "alice", auth_time=NOW, fresh=True)
        step = next_step(facts)
    if step is Step.CONSENT:
        step = next_step(replace(facts, consented=True))
    assert step is Step.ISSUE or isinstance(step, Refusal)


@many
@given(situations())
def test_remembering_and_trust_never_make_things_harder(facts: Facts) -> None:
    rank = {Step.ISSUE: 2, Step.CONSENT: 1, CONSENT_REQUIRED: 1, Step.LOGIN: 0, LOGIN_REQUIRED: 0}
    before = rank[next_step(facts)]
    for easier in ({"remembered": True}, {"trusted": True}, {"provable": True}, {"consented": True}):
        assert rank[next_step(replace(facts, **easier))] >= before
