"""What came out of each module, kept between runs so that a report can cover plans that were run one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SEVERE = ("FAILURE", "WARNING")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One module of a plan. `variant` is what tells two runs of the same module apart; `findings` are the suite's words."""

    plan: str
    module: str
    variant: str
    result: str
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def findings(log: Iterable[dict[str, Any]]) -> list[str]:
    """The failures and warnings of a module's log, with the condition that found each, and why it was skipped."""
    entries = [entry for entry in log if entry.get("result") in SEVERE or entry.get("result") == "SKIPPED"]
    return [f"{entry['result']} {entry.get('src', '')}: {entry.get('msg', '')}" for entry in entries]


@dataclass(slots=True)
class Results:
    """The outcomes in one JSON file, with the version of the suite and the day each plan was run."""

    path: Path
    suite: str = ""
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Results:
        """What earlier runs left, or nothing."""
        if not path.exists():
            return cls(path)
        kept = json.loads(path.read_text("utf-8"))
        return cls(path, kept["suite"], kept["plans"])

    def put(self, plan: str, day: str, outcomes: Iterable[Outcome]) -> None:
        """Replace what is known about a plan."""
        self.plans[plan] = {"day": day, "outcomes": [asdict(outcome) for outcome in outcomes]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"suite": self.suite, "plans": self.plans}, indent=1), "utf-8")

    def outcomes(self, plan: str) -> list[Outcome]:
        """The outcomes of a plan in the suite's order."""
        return [Outcome(**outcome) for outcome in self.plans.get(plan, {}).get("outcomes", ())]
