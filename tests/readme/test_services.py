"""`docs/services.md` leads somewhere: every concept has a row, and every link and name in it is a file or a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "services.md").read_text("utf-8")
LINK = re.compile(r"\]\(([^)#]+)\)((?:,? `test_\w+`)*)")
NAME = re.compile(r"`(test_\w+)`")
LINKS = sorted({(target, *NAME.findall(names)) for target, names in LINK.findall(TEXT)})
ROWS = [line.split(" | ") for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link[0])
def test_a_link_leads_to_what_it_names(link: tuple[str, ...]) -> None:
    target, *names = link
    content = (DOCS / target).read_text("utf-8")
    for name in names:
        assert f"def {name}(" in content


def test_every_concept_has_its_row_its_verdict_and_what_shows_it() -> None:
    assert [row[0].strip("| ") for row in ROWS] == [str(number) for number in range(1, 35)]
    for row in ROWS:
        assert re.match(r"yes|no|in part: \w+", row[3]), row
        assert LINK.search(row[4]), row


def test_every_row_tells_of_its_last_run_and_of_no_failure() -> None:
    for row in ROWS:
        assert re.fullmatch(r"(\d+ passed, \d+ s, \d{4}-\d\d-\d\d|not run yet) \|", row[5]), row


def test_every_test_that_is_named_belongs_to_a_link() -> None:
    assert sorted(set(NAME.findall(TEXT))) == sorted({name for _, *names in LINKS for name in names})
