"""The goals of the project, and how a figure stands against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the goals: `figure` must be at least (or at most) `must`, and better `aim`."""

    name: str
    figure: str
    must: float
    aim: float
    at_most: bool = False
    unit: str = "times"


GOALS = (
    Goal("tokens/s against node-oidc-provider", "tokens/node", 2.0, 3.5),
    Goal("tokens/s against Canaille", "tokens/canaille", 60, 100),
    Goal("tokens/s against django-oauth-toolkit", "tokens/toolkit", 20, 35),
    Goal("tokens/s against raw ES256 of both cores", "tokens/raw", 0.12, 0.22),
    Goal("token p99 at 32 connections against node", "p99/node", 1.0, 0.5, at_most=True),
    Goal("JWKS against node", "jwks/node", 1.5, 2.2),
    Goal("discovery against node", "discovery/node", 1.5, 2.2),
    Goal("protected call, local against introspection", "local/asking", 2.5, 3.2),
    Goal("protected call, cached against introspection", "cached/asking", 4.0, 5.5),
    Goal("code flow CPU, durable, against node in memory", "flow CPU/node", 3.5, 2.0, at_most=True),
    Goal("login CPU less the hash, against Canaille", "login CPU/canaille", 0.15, 0.08, at_most=True),
    Goal("a login beside its hash, median", "login beside", 10, 5, at_most=True, unit="ms"),
    Goal("token p95 beside 200 logins, against p95 alone", "p95/alone", 1.5, 1.2, at_most=True),
    Goal("cold start to the first token against node", "cold start/node", 1.3, 0.9, at_most=True),
    Goal("memory, two workers", "pss two", 200, 150, at_most=True, unit="MB"),
    Goal("memory, one worker", "pss one", 130, 100, at_most=True, unit="MB"),
    Goal("memory growth over the tokens", "growth", 5, 2, at_most=True, unit="%"),
    Goal("a fresh validation against PyJWT's bare verification", "fresh/bare", 1.5, 1.2, at_most=True),
    Goal("a revocation reaches an API that is told, p99", "revocation pushed", 15, 1.5, at_most=True, unit="s"),
    Goal(
        "a revocation reaches each worker of an API that is told, p99",
        "revocation everywhere",
        15,
        2.5,
        at_most=True,
        unit="s",
    ),
    Goal("a revocation reaches an API that fetches, p99", "revocation fetched", 15, 15, at_most=True, unit="s"),
    Goal("a status list of a million, 1 % revoked", "list size", 20, 15, at_most=True, unit="kB"),
    Goal("that status list read", "list read", 2, 1, at_most=True, unit="ms"),
    Goal("tokens/s of three nodes against one, each held to 0.3 of a core", "three/one", 2.4, 2.8),
    Goal("payments/s acknowledged against waited for", "acknowledged/waited", 3, 5),
    Goal("a read of the services, p95", "read", 50, 20, at_most=True, unit="ms"),
    Goal("a payment v1 makes, of a provider that needs 200 ms, p95", "v1 payment", 500, 300, at_most=True, unit="ms"),
    Goal("a person's payments listed among a million against a hundred, p95", "list growth", 1.5, 1.2, at_most=True),
    Goal("a payment looked up among a million against a hundred, p95", "look-up growth", 1.5, 1.2, at_most=True),
    Goal("a place in a status list, for each service token", "index", 3, 2, at_most=True, unit="us"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A goal and what was measured; None: not measured in this run."""

    goal: Goal
    value: float | None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self._reaches(self.goal.aim):
            return "aim"
        return "must" if self._reaches(self.goal.must) else "MISSED"

    def _reaches(self, bound: float) -> bool:
        assert self.value is not None
        return self.value <= bound if self.goal.at_most else self.value >= bound


def standings(figures: Mapping[str, float]) -> list[Standing]:
    """Every goal with its ratio of this run."""
    ratios = _ratios(figures)
    return [Standing(goal, ratios.get(goal.figure)) for goal in GOALS]


_RATIOS = {
    "tokens/node": ("tokens/s", "node tokens/s"),
    "tokens/canaille": ("tokens/s beside canaille", "canaille tokens/s"),
    "tokens/toolkit": ("tokens/s beside toolkit", "toolkit tokens/s"),
    "tokens/raw": ("tokens/s", "raw ES256/s"),
    "p99/node": ("tokens p99 ms", "node tokens p99 ms"),
    "jwks/node": ("JWKS/s", "node JWKS/s"),
    "discovery/node": ("discovery/s", "node discovery/s"),
    "local/asking": ("protected calls/s, local", "protected calls/s, introspection"),
    "cached/asking": ("protected calls/s, cached", "protected calls/s, introspection"),
    "flow CPU/node": ("code flow CPU ms", "node code flow CPU ms"),
    "login CPU/canaille": ("login CPU ms beside canaille", "canaille login CPU ms"),
    "three/one": ("tokens/s, three nodes of 0.3 CPU", "tokens/s, one node of 0.3 CPU"),
    "p95/alone": ("tokens p95 ms, beside 200 logins", "tokens p95 ms, alone"),
    "cold start/node": ("cold start s", "node cold start s"),
    "acknowledged/waited": ("payments/s, acknowledged", "payments/s, waited for"),
    "list growth": ("payment list p95 ms, a million", "payment list p95 ms, a hundred"),
    "look-up growth": ("payment look-up p95 ms, a million", "payment look-up p95 ms, a hundred"),
    "fresh/bare": ("guard fresh us", "PyJWT verify us"),
}
_ALONE = {
    "login beside": "login beside the hash ms",
    "pss two": "PSS MB, two workers",
    "pss one": "PSS MB, one worker",
    "growth": "RSS growth %",
    "read": "a read p95 ms",
    "v1 payment": "a payment of v1 p95 ms",
    "revocation pushed": "revocation pushed p99 s",
    "revocation everywhere": "revocation everywhere p99 s",
    "revocation fetched": "revocation fetched p99 s",
    "list size": "status list kB",
    "list read": "status list read ms",
    "index": "status index us",
}


def _ratios(figures: Mapping[str, float]) -> dict[str, float]:
    found = {
        name: figures[over] / figures[under]
        for name, (over, under) in _RATIOS.items()
        if over in figures and under in figures
    }
    return found | {name: figures[figure] for name, figure in _ALONE.items() if figure in figures}
