"""Why a token is refused and what to do about it: for the people who run a client, an API or an issuer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from token_guard.checks import ADVICE, Check
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.presented import Presented
from token_guard.validation import MAX_TOKEN, Malformed, split

Result = Literal["passed", "refused", "not asked"]
_LINE = re.compile(r"(\S+) (?:refused|unknown) by (\w+): (.*)")
_SCHEME = re.compile(r"(Bearer|DPoP) +", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is in a token (nothing where it cannot be read), and the verdict; `check` None: it may pass. `answer` is what the caller is told."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    check: Check | None
    reason: str
    answer: str

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.check] if self.check else "Nothing: the request may pass."

    @property
    def checks(self) -> Iterator[tuple[Check, Result]]:
        """Every check in the order in which it is asked, and what it said."""
        result: Result = "passed"
        for check in Check:
            if check is self.check:
                yield check, "refused"
                result = "not asked"
            else:
                yield check, result

    def document(self) -> Mapping[str, Any]:
        """For machines."""
        told = {"verdict": "refused" if self.check else "accepted", "check": self.check, "reason": self.reason}
        return {**told, "advice": self.advice, "answer": self.answer, "header": self.header, "claims": self.claims}

    def text(self) -> str:
        """For people."""
        verdict = f"refused by: {self.check}\nwhy:        {self.reason}" if self.check else "accepted"
        read = f"header:     {json.dumps(self.header)}\nclaims:     {json.dumps(self.claims)}\n" if self.header else ""
        return f"{read}{verdict}\nwhat to do: {self.advice}\nthe answer: {self.answer}"


def explain(*, guard: Guard, presented: Presented, needs: Needs) -> Explanation:
    """Judge a request as an API would."""
    header, claims = _read(presented)
    try:
        admission = guard.admit(presented, needs)
    except GuardError as error:
        return Explanation(header, claims, error.check, error.reason, f"{error.status} {error.code}".strip())
    return Explanation(header, claims, None, "", f"{admission.principal.subject} may pass")


def explain_logged(*, lines: Iterable[str], trace_id: str) -> Explanation | None:
    """The refusal with this trace id in a log: JSON lines that name `check`, or lines as this library writes them. None: not there."""
    for line in lines:
        found = _logged(line, trace_id) if trace_id in line else None
        if found is not None:
            return found
    return None


def _logged(line: str, trace_id: str) -> Explanation | None:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if isinstance(record, dict):
        check, reason, status = record.get("check"), record.get("reason", ""), record.get("status", "")
        named = trace_id in (record.get("trace_id"), record.get("request_id"))
    else:
        match = _LINE.search(line)
        check, reason, status = (match[2], match[3], "") if match else (None, "", "")
        named = match is not None and match[1] == trace_id
    if not named or check not in set(Check):
        return None
    return Explanation({}, {}, Check(check), str(reason), str(status))


def _read(presented: Presented) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    token = _SCHEME.sub("", presented.authorization[0], count=1) if presented.authorization else ""
    try:
        unverified = split(token, MAX_TOKEN)
    except Malformed:
        return {}, {}
    return unverified.header, unverified.claims
