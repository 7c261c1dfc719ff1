"""How often a caller may call (draft-ietf-httpapi-ratelimit-headers-11): a budget a minute for each client and person, told in every answer.

The budgets are counted in each worker's memory, so asking costs nothing; with n workers up to n times the quota passes. v1 and v2 share them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from flask import Response
from token_guard import Principal

from resource_server.api.problems import Problem

WINDOW = 60
_MOST_KEPT = 50_000


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

    def __init__(self, *, reads: int, writes: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.change(reads=reads, writes=writes)
        self._lock = Lock()
        self._windows: dict[tuple[str, str, str], tuple[float, int]] = {}

    def change(self, *, reads: int, writes: int) -> None:
        """Other budgets, from the next request on; what was spent stays spent."""
        self._quotas = {True: reads, False: writes}

    def spend(self, service: str, principal: Principal, *, reading: bool) -> Spent | None:
        """Count one request of this caller at a service; None where there is no limit."""
        quota = self._quotas[reading]
        if quota == 0:
            return None
        policy = f"{service}-{'read' if reading else 'write'}"
        begun, used = self._count((policy, principal.client_id, principal.subject))
        left = max(0, math.ceil(begun + WINDOW - self._now()))
        return Spent(policy, quota, max(0, quota - used), left, over=used > quota)

    def _count(self, key: tuple[str, str, str]) -> tuple[float, int]:
        now = self._now()
        with self._lock:
            begun, used = self._windows.get(key, (now, 0))
            if now >= begun + WINDOW:
                begun, used = now, 0
            if len(self._windows) >= _MOST_KEPT:
                self._windows = {key: kept for key, kept in self._windows.items() if now < kept[0] + WINDOW}
            self._windows[key] = begun, used + 1
            return self._windows[key]


def too_many(spent: Spent) -> Problem:
    """429, with when to come again."""
    headers = {**spent.headers(), "Retry-After": str(max(1, spent.seconds))}
    return Problem(429, "too_many_requests", "There were too many requests; wait a little.", headers=headers)
