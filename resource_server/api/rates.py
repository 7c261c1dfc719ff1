"""How often a caller may call (draft-ietf-httpapi-ratelimit-headers-11): a budget a minute for each client and person, told in every answer.

The workers of a server share the budgets, in memory; other servers count for themselves. v1 and v2 share them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from token_guard import Principal

from resource_server.api.problems import Problem
from resource_server.platform.shared_counts import SharedCounts

WINDOW = 60


@dataclass(frozen=True, slots=True)
class Spent:
    """How it stands after a request: `left` may still come within `seconds`; `over`: this one is too many."""

    policy: str
    quota: int
    left: int
    seconds: int
    over: bool

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={WINDOW}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.seconds}',
        }

    def tell(self, response: Response) -> Response:
        """The answer with its budget."""
        response.headers.update(self.headers())
        return response


class Rates:
    """Budgets of `reads` and `writes` a minute; 0: no limit, and nothing is said of one."""

    def __init__(
        self, counts: SharedCounts, *, reads: int, writes: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._counts = counts
        self._now = now
        self.change(reads=reads, writes=writes)

    def change(self, *, reads: int, writes: int) -> None:
        """Other budgets, from the next request on; what was spent stays spent."""
        self._quotas = {True: reads, False: writes}

    def spend(self, service: str, principal: Principal, *, reading: bool) -> Spent | None:
        """Count one request of this caller at a service; None where there is no limit."""
        quota = self._quotas[reading]
        if quota == 0:
            return None
        policy = f"{service}-{'read' if reading else 'write'}"
        now = self._now()
        key = "\n".join((policy, principal.client_id, principal.subject))
        begun, used = self._counts.add(key, now=now, window=WINDOW)
        left = min(WINDOW, max(0, math.ceil(begun + WINDOW - now)))
        return Spent(policy, quota, max(0, quota - used), left, over=used > quota)


def too_many(spent: Spent) -> Problem:
    """429, with when to come again."""
    headers = {**spent.headers(), "Retry-After": str(max(1, spent.seconds))}
    return Problem(429, "too_many_requests", "There were too many requests; wait a little.", headers=headers)
