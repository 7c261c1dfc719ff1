"""`make rows`: what a report of tests says comes into the rows that link to them, and into no other."""

from __future__ import annotations

from pathlib import Path

from tests.rows import DOCUMENT, linked, results, rows, told, written

ONE = "| 1 | a | b | yes | [x](../tests/a/test_x.py) `test_one` `test_two`, [page](page.md) | before |"
TWO = "| 2 | a | b | yes | [y](../tests/a/test_y.py), [on](../tests/a/stands.py) | before |"
TEXT = f"# Rows\n\n{ONE}\n{TWO}\n\nAn end.\n"
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_x" name="test_one[sqlite]" time="1.2"/>
<testcase classname="tests.a.test_x" name="test_one[postgresql]" time="2.4"/>
<testcase classname="tests.a.test_x" name="test_two" time="0.1">%s</testcase>
<testcase classname="tests.a.test_x" name="test_of_nobody" time="9"><failure/></testcase>
</testsuite></testsuites>"""
WHEN = "2026-11-25"


def reported(folder: Path, inside: str = "") -> Path:
    report = folder / "report.xml"
    report.write_text(REPORT % inside)
    return report


def test_a_row_says_how_many_passed_and_how_long_it_took(tmp_path: Path) -> None:
    text = written(TEXT, list(results(reported(tmp_path))), WHEN)
    assert text == TEXT.replace(ONE, ONE.replace("before", "3 passed, 4 s, 2026-11-25"))


def test_what_failed_or_was_skipped_is_said(tmp_path: Path) -> None:
    assert told(ONE, list(results(reported(tmp_path, "<failure/>"))), WHEN) == "2 passed, 1 failed, 4 s, 2026-11-25"
    assert told(ONE, list(results(reported(tmp_path, "<skipped/>"))), WHEN) == "2 passed, 1 skipped, 4 s, 2026-11-25"


def test_a_row_of_which_a_test_did_not_run_keeps_what_it_had(tmp_path: Path) -> None:
    found = [result for result in results(reported(tmp_path)) if result.name != "test_two"]
    assert written(TEXT, found, WHEN) == TEXT


def test_every_row_links_to_tests_that_can_be_run() -> None:
    for number, line in rows(DOCUMENT.read_text("utf-8")).items():
        assert linked(line), number
        assert all(Path(one.file).is_file() for one in linked(line)), number
