"""What the tests that `docs/services.md` links to said last, row by row: `python -m tests.rows` runs them and writes it there.

`--report FILE` takes the JUnit report of a run there was (`PYTEST_ARGS=--junitxml=FILE make test`) instead, `--row N` one row alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "services.md"
_ROW = re.compile(r"\| (\d+) \| .*\|")
_LINK = re.compile(r"\[[^]]+\]\(\.\./(tests/[^)]*\.py)\)((?: `test_\w+`)*)")
_OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}
_COLUMN = 5
"""Of a row's cells, the one that holds what the tests said."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A file of tests, and which of them; none named: all."""

    file: str
    names: tuple[str, ...]

    @property
    def nodes(self) -> list[str]:
        """As pytest takes them."""
        return [f"{self.file}::{name}" for name in self.names] or [self.file]

    def has(self, result: Result) -> bool:
        return result.file == self.file and (not self.names or result.name in self.names)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test, which is one of several with the same name where it has parameters."""

    file: str
    name: str
    outcome: str
    seconds: float


def linked(line: str) -> list[Linked]:
    """What a row links to that pytest runs; files that hold no tests are what tests stand on."""
    found = [Linked(file, tuple(re.findall(r"test_\w+", names))) for file, names in _LINK.findall(line)]
    return [one for one in found if Path(one.file).name.startswith("test_")]


def rows(text: str) -> dict[int, str]:
    """The lines of the table, by number."""
    return {int(found[1]): line for line in text.splitlines() if (found := _ROW.fullmatch(line))}


def results(report: Path) -> Iterator[Result]:
    """What a JUnit report of pytest says."""
    for case in ET.parse(report).iter("testcase"):  # our own report
        file = f"{case.get('classname', '').replace('.', '/')}.py"
        outcome = next((_OUTCOMES[one.tag] for one in case if one.tag in _OUTCOMES), "passed")
        yield Result(file, case.get("name", "").partition("[")[0], outcome, float(case.get("time", 0)))


def told(line: str, found: Sequence[Result], when: str) -> str | None:
    """What the tests of a row said; None where one of those it links to did not run."""
    links = linked(line)
    ran = [result for result in found if any(link.has(result) for link in links)]
    expected = [(link.file, name) for link in links for name in link.names or ("",)]
    missing = [one for one in expected if not any(_is(result, *one) for result in ran)]
    if missing or not ran:
        return None
    counted = Counter(result.outcome for result in ran)
    outcomes = ", ".join(
        f"{counted[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if counted[outcome]
    )
    return f"{outcomes}, {sum(result.seconds for result in ran):.0f} s, {when}"


def _is(result: Result, file: str, name: str) -> bool:
    return result.file == file and name in ("", result.name)


def written(text: str, found: Sequence[Result], when: str) -> str:
    """The document with what was said in its rows; a row whose tests did not all run keeps what it had."""
    return "".join(f"{_filled(line, found, when)}\n" for line in text.splitlines())


def _filled(line: str, found: Sequence[Result], when: str) -> str:
    said = told(line, found, when) if _ROW.fullmatch(line) else None
    if said is None:
        return line
    cells = line.strip("| ").split(" | ")
    return f"| {' | '.join([*cells[:_COLUMN], said])} |"


def run(lines: Iterable[str], report: Path) -> None:
    """Run what the rows link to, each test once; what fails is told in the rows."""
    nodes = sorted({node for line in lines for one in linked(line) for node in one.nodes})
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "", f"--junitxml={report}", *nodes], cwd=ROOT, check=False
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """One command line."""
    parser = argparse.ArgumentParser("tests.rows", description=__doc__)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--row", type=int, action="append", default=[])
    given = parser.parse_args(arguments)
    text = DOCUMENT.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        report = given.report or Path(folder) / "report.xml"
        if given.report is None:
            run([line for number, line in rows(text).items() if number in given.row or not given.row], report)
        found = list(results(report))
    DOCUMENT.write_text(written(text, found, f"{datetime.now(UTC):%Y-%m-%d}"), "utf-8")


if __name__ == "__main__":
    main()
