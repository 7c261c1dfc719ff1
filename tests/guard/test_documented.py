"""What docs/guard.md promises is there: every file it links to, every test it names."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_row_names_tests_that_exist() -> None:
    rows = [line for line in (DOCS / "guard.md").read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for row in rows:
        files = [DOCS / link for link in re.findall(r"\]\(([^)]+)\)", row)]
        assert files, row
        assert all(file.is_file() for file in files), row
        written = "".join(file.read_text("utf-8") for file in files)
        assert [name for name in re.findall(r"`(test_\w+)`", row) if f"def {name}(" not in written] == [], row
