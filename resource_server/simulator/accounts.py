"""What the simulator remembers, in a SQLite file of its own: each request by its idempotency key, and what each charge came to."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (key TEXT PRIMARY KEY, charge TEXT NOT NULL, what TEXT NOT NULL, state TEXT NOT NULL, reason TEXT);
CREATE TABLE IF NOT EXISTS charges (
    key TEXT PRIMARY KEY, reference TEXT NOT NULL, value INTEGER NOT NULL, currency TEXT NOT NULL, capture INTEGER NOT NULL,
    state TEXT NOT NULL, captured INTEGER NOT NULL DEFAULT 0, refunded INTEGER NOT NULL DEFAULT 0, settles_at REAL
);
"""


@dataclass(frozen=True, slots=True)
class Order:
    """A charge that is asked for."""

    key: str
    reference: str
    value: int
    currency: str
    capture: bool


class Accounts:
    """Does each request once, whatever the number of repeats."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")

    def charge(self, order: Order, state: str, reason: str | None, settles_at: float | None) -> dict[str, Any]:
        """A new charge in this state, or what became of the one with its key."""
        with self._lock:
            if (known := self._known(order.key)) is not None:
                return known
            final = _final(order.capture) if state == "succeeded" else state
            captured = order.value if final == "succeeded" else 0
            row = (order.key, order.reference, order.value, order.currency, order.capture, final, captured, settles_at)
            self._database.execute(
                "INSERT INTO charges (key, reference, value, currency, capture, state, captured, settles_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return self._keep(order.key, order.key, "charge", final, reason)

    def settle(self, charge: str, *, passed: bool = True) -> dict[str, Any] | None:
        """What was pending or waited for the payer comes to its end."""
        with self._lock:
            row = self._charge(charge)
            if row is not None and row["state"] in {"pending", "requires_action"}:
                self._settle(row, passed=passed)
            return self._known(charge)

    def change(self, key: str, charge: str, what: str, value: int) -> dict[str, Any] | None:
        """A capture, cancellation or refund, once; None for a charge nobody made."""
        with self._lock:
            if (known := self._known(key)) is not None:
                return known
            row = self._charge(charge)
            if row is None:
                return None
            changes = _changed(what, row, value)
            if changes is None:
                return self._keep(key, charge, what, "declined", "not_possible")
            self._database.execute(
                "UPDATE charges SET state = ?, captured = ?, refunded = ? WHERE key = ?", (*changes, charge)
            )
            return self._keep(key, charge, what, "succeeded", None)

    def find(self, key: str) -> dict[str, Any] | None:
        """What became of a request."""
        with self._lock:
            row = self._charge(key)
            if row is not None and row["settles_at"] is not None and row["settles_at"] <= time.time():
                self._settle(row, passed=True)
            return self._known(key)

    def page(self, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """So many charges as they stand, made after the one with this number; and the number to go on from, None at the end."""
        query = "SELECT rowid AS number, * FROM charges WHERE rowid > ? ORDER BY rowid LIMIT ?"
        with self._lock:
            rows = [dict(row) for row in self._database.execute(query, (after, limit + 1))]
        page = rows[:limit]
        numbers = [row.pop("number") for row in page]
        return page, numbers[-1] if len(rows) > limit else None

    def look(self, charge: str) -> dict[str, Any] | None:
        """A charge, as it stands."""
        with self._lock:
            row = self._charge(charge)
            return dict(row) if row is not None else None

    def charges(self) -> list[dict[str, Any]]:
        """Every charge, as it stands."""
        with self._lock:
            return [dict(row) for row in self._database.execute("SELECT * FROM charges ORDER BY rowid")]

    def _charge(self, key: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._database.execute("SELECT * FROM charges WHERE key = ?", (key,)).fetchone()
        return found

    def _known(self, key: str) -> dict[str, Any] | None:
        row = self._database.execute("SELECT key, charge, what, state, reason FROM requests WHERE key = ?", (key,))
        found = row.fetchone()
        return dict(found) if found else None

    def _keep(self, key: str, charge: str, what: str, state: str, reason: str | None) -> dict[str, Any]:
        self._database.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", (key, charge, what, state, reason))
        return {"key": key, "charge": charge, "what": what, "state": state, "reason": reason}

    def _settle(self, row: sqlite3.Row, *, passed: bool) -> None:
        state = _final(row["capture"]) if passed else "declined"
        captured = row["value"] if state == "succeeded" else 0
        of = (state, captured, row["key"])
        self._database.execute("UPDATE charges SET state = ?, captured = ?, settles_at = NULL WHERE key = ?", of)
        reason = None if passed else "authentication_failed"
        self._database.execute("UPDATE requests SET state = ?, reason = ? WHERE key = ?", (state, reason, row["key"]))


def _final(capture: bool) -> str:
    return "succeeded" if capture else "authorized"


def _changed(what: str, row: sqlite3.Row, value: int) -> tuple[str, int, int] | None:
    """(state, captured, refunded) of a charge afterwards; None where it cannot be done."""
    state, captured, refunded = row["state"], row["captured"], row["refunded"]
    match what:
        case "captures" if state == "authorized" and value <= row["value"]:
            return "succeeded", value, refunded
        case "cancellations" if state == "authorized":
            return "canceled", captured, refunded
        case "refunds" if state == "succeeded" and refunded + value <= captured:
            return state, captured, refunded + value
        case _:
            return None
