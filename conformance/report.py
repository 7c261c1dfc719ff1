"""The results as a page of the documentation; what is neither passed nor reviewed needs an explanation there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from conformance.plans import PLANS
from conformance.results import Outcome, Results

ACCEPTED = frozenset({"PASSED", "REVIEW"})
_EXPLANATIONS = Path(__file__).parent / "configurations" / "explanations.json"
_HEAD = """# OpenID Connect conformance

What the conformance suite of the OpenID Foundation (release {suite}) says about this provider, run by [conformance](../conformance/README.md).
PASSED is passed. REVIEW is passed too: the module ended on a page of ours, and the suite keeps its picture for a person to look at.
SKIPPED: the suite does not ask for what a provider does not offer. WARNING: allowed, but the suite would have it otherwise. Every one of
those has its reason below.

| plan | run on | modules | passed | review | skipped | warning | failed |
|---|---|---|---|---|---|---|---|
"""


def explanations() -> dict[str, str]:
    """Why a module that is not passed is as it is: by `module RESULT`."""
    kept: dict[str, str] = json.loads(_EXPLANATIONS.read_text("utf-8"))
    return kept


def unexplained(outcomes: Iterable[Outcome], reasons: Mapping[str, str]) -> list[Outcome]:
    """What fails the run: everything failed, and what is neither passed nor has a reason."""
    return [
        outcome
        for outcome in outcomes
        if outcome.result not in ACCEPTED
        and (outcome.result not in {"WARNING", "SKIPPED"} or _key(outcome) not in reasons)
    ]


def page(results: Results) -> str:
    """The whole page as Markdown."""
    reasons = explanations()
    plans = [plan.name for plan in PLANS if plan.name in results.plans]
    rows = [_row(name, results.plans[name]["day"], results.outcomes(name)) for name in plans]
    told = dict.fromkeys(_reason(outcome, reasons) for name in plans for outcome in results.outcomes(name))
    sections = [line for name in plans for line in _section(name, results.outcomes(name))]
    why = [line for line in told if line]
    lines = [*rows, "", "## Why not passed", "", *(why or ["Nothing is left to explain."]), *sections]
    return _HEAD.format(suite=results.suite) + "\n".join(lines) + "\n"


def _row(name: str, day: str, outcomes: list[Outcome]) -> str:
    count = Counter(outcome.result for outcome in outcomes)
    known = [count[result] for result in ("PASSED", "REVIEW", "SKIPPED", "WARNING")]
    return f"| {name} | {day} | {len(outcomes)} | {' | '.join(map(str, [*known, len(outcomes) - sum(known)]))} |"


def _section(name: str, outcomes: list[Outcome]) -> Iterator[str]:
    """A row for each module, a column for each variant the plan runs modules in."""
    variants = list(dict.fromkeys(outcome.variant for outcome in outcomes))
    found = {(outcome.module, outcome.variant): outcome.result for outcome in outcomes}
    yield from ("", f"## {name}", "", f"| module | {' | '.join(variant or 'result' for variant in variants)} |")
    yield "|---" * (len(variants) + 1) + "|"
    for module in dict.fromkeys(outcome.module for outcome in outcomes):
        yield f"| {module} | {' | '.join(found.get((module, variant), '') for variant in variants)} |"


def _key(outcome: Outcome) -> str:
    return f"{outcome.module} {outcome.result}"


def _reason(outcome: Outcome, reasons: Mapping[str, str]) -> str:
    if outcome.result in ACCEPTED:
        return ""
    found = reasons.get(_key(outcome), "; ".join(outcome.findings) or "no reason known")
    return f"- **{outcome.module}** {outcome.result}: {found}"
