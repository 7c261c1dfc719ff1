"""Every link in a document of ours leads somewhere: to a file that is there, and to a heading that is in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
DOCUMENTS = sorted(LISTED.split())
DECISIONS = ROOT / "docs" / "decisions"


def anchors(document: Path) -> set[str]:
    """The names of its headings, as hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_its_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_docs_is_found_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))
    pages = {name for name in DOCUMENTS if re.fullmatch(r"docs/[\w-]+\.md", name)}
    assert pages <= linked


def test_every_decision_has_its_line_in_the_table_and_every_line_its_decision() -> None:
    table = (DECISIONS / "README.md").read_text("utf-8")
    lines = re.findall(r"^\| (\d+) \| \[(.+)\]\((\S+)\) \| (.+) \|$", table, re.MULTILINE)
    assert len(lines) == table.count("\n|") - 2, "a line that is none"
    records = {path.name: path.read_text("utf-8").partition("\n")[0] for path in sorted(DECISIONS.glob("[0-9]*.md"))}
    assert [(name, f"# {number}. {title}") for number, title, name, _state in lines] == list(records.items())
    assert [int(number) for number, *_ in lines] == [int(name.partition("-")[0]) for name in records]
    for *_, state in lines:
        assert re.match(r"holds(, but for .+\[\d+\]\(.+\))?$|replaced by \[\d+\]\(", state), state
