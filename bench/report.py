"""One run told three ways: a table for the terminal and the repository, JSON for machines, a chart for people."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from bench.goals import Standing, standings
from tests.support.running import BIN

_COLORS = {"aim": "#2e7d32", "must": "#1565c0", "MISSED": "#c62828", "not measured": "#9e9e9e"}
_ROW, _LEFT, _WIDTH = 26, 400, 900
_BUILD = "import platform as p; print(p.python_version(), 'of', p.python_build()[1], 'by', p.python_compiler())"
"""Which interpreter it is: of one version there are builds that take a fifth longer than others."""


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    interpreter = subprocess.run([BIN / "python", "-c", _BUILD], capture_output=True, check=True, text=True).stdout
    return {"cores": str(os.cpu_count()), "architecture": platform.machine(), "python": interpreter.strip()}


def write(folder: Path, figures: Mapping[str, float], notes: Sequence[str]) -> str:
    """Write `results.json`, `report.md` and `goals.svg`; returns the report."""
    folder.mkdir(parents=True, exist_ok=True)
    found = standings(figures)
    told = {
        "machine": machine(),
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "goals": [
            {
                "name": one.goal.name,
                "value": one.value,
                "must": one.goal.must,
                "aim": one.goal.aim,
                "verdict": one.verdict,
            }
            for one in found
        ],
        "notes": list(notes),
    }
    (folder / "results.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    (folder / "goals.svg").write_text(_chart(found), "utf-8")
    report = _markdown(found, figures, notes)
    (folder / "report.md").write_text(report, "utf-8")
    return report


def _markdown(found: Sequence[Standing], figures: Mapping[str, float], notes: Sequence[str]) -> str:
    about = machine()
    lines = [
        "# Measured by `make bench`",
        "",
        f"{about['cores']} cores ({about['architecture']}) shared with the load generator, Python {about['python']}, two workers, SQLite,",
        "limits, metrics, audit and logs on. Ratios matter more than figures.",
        "",
        "![Goals](goals.svg)",
        "",
        "| goal | measured | must | aim | reached |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.goal.name} | {_value(one.value)} {one.goal.unit} | {_bound(one, one.goal.must)} | {_bound(one, one.goal.aim)} | {one.verdict} |"
        for one in found
    ]
    lines += ["", "| figure | |", "|---|---|", *(f"| {name} | {_value(value)} |" for name, value in figures.items())]
    lines += ["", *(f"- {note}" for note in notes), ""] if notes else [""]
    return "\n".join(lines)


def _bound(one: Standing, bound: float) -> str:
    return f"{'at most ' if one.goal.at_most else ''}{bound:g}"


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _chart(found: Sequence[Standing]) -> str:
    """A bar a goal: how far it is reached, 1 being the must, on both kinds of goal the longer the better."""
    rows = [_bar(number, one) for number, one in enumerate(found)]
    height = len(rows) * _ROW + 40
    mark = _LEFT + (_WIDTH - _LEFT - 60) / 3
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            *rows,
            f'<line x1="{mark}" y1="8" x2="{mark}" y2="{height - 28}" stroke="#000" stroke-dasharray="4 3"/>',
            f'<text x="{mark}" y="{height - 10}" text-anchor="middle">must</text>',
            "</svg>",
            "",
        ]
    )


def _bar(number: int, one: Standing) -> str:
    y = 10 + number * _ROW
    reached = 0.0
    if one.value is not None and one.value > 0:
        reached = one.goal.must / one.value if one.goal.at_most else one.value / one.goal.must
    elif one.value is not None:
        reached = 3.0
    width = (_WIDTH - _LEFT - 60) * min(reached, 3.0) / 3
    label = f"{_value(one.value)} {one.goal.unit if one.goal.unit != 'times' else ''}".strip()
    return (
        f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(one.goal.name)}</text>'
        f'<rect x="{_LEFT}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 8}" fill="{_COLORS[one.verdict]}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + 15}">{escape(label)}</text>'
    )
