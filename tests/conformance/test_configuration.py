"""The suite's configuration fits our own pages and clients; the report hides nothing that is not passed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance.configuration import configuration, read
from conformance.plans import PLANS, Plan, chosen
from conformance.report import page, unexplained
from conformance.results import Outcome, Results, findings
from idp.users.claims import STORED

TEMPLATES = Path(__file__).parents[2] / "idp" / "templates"
CLIENTS = {"client": {"client_id": "one", "client_secret": "hidden", "client_name": "not told"}}
STEPS = read("browser.json", ISSUER="https://id.example")


def configured(plan: Plan) -> dict[str, object]:
    return configuration(plan, issuer="https://id.example", person=read("person.json"), clients=CLIENTS)


def test_the_steps_name_elements_that_our_pages_have() -> None:
    pages = "".join(path.read_text("utf-8") for path in TEMPLATES.rglob("*.html"))
    ids = set(re.findall(r'id="([a-z-]+)"', pages))
    for task in STEPS["tasks"].values():
        for _command, kind, target, *_rest in task["commands"]:
            if kind == "id" and target != "submission_complete":  # that one is on the suite's page
                assert target in ids, task["task"]


def test_the_words_of_reviewed_pages_are_on_our_pages() -> None:
    pages = "".join(path.read_text("utf-8") for path in TEMPLATES.rglob("*.html"))
    waits = [command for task in STEPS["tasks"].values() for command in task["commands"] if command[0] == "wait"]
    expected = [command[4] for command in waits if len(command) > 4]
    assert expected
    for words in expected:
        assert words in pages


def test_the_person_has_a_value_for_every_claim_that_can_be_set() -> None:
    given = {name.partition(".")[0] for name in read("person.json")["claims"]}
    assert given == set(STORED)


def test_static_plans_are_told_the_credentials_and_the_steps() -> None:
    document = configured(chosen(["basic"])[0])
    assert document["client"] == {"client_id": "one", "client_secret": "hidden"}
    assert [visit["match"] for visit in document["browser"]] == [  # type: ignore[attr-defined]
        "https://id.example/oauth/authorize*",
        "https://id.example/oauth/logout*",
    ]
    assert "{" not in str(document["browser"]).replace("{'", "")
    assert set(document["override"]) == {*STEPS["modules"], *STEPS["looks"]}  # type: ignore[call-overload]


def test_dynamic_plans_are_told_names_only_and_chromium_plans_no_steps() -> None:
    assert configured(chosen(["dynamic"])[0])["client"] == {"client_name": "Conformance client"}
    assert "browser" not in configured(chosen(["session-management"])[0])


def test_plans_have_names_of_their_own() -> None:
    assert len({plan.name for plan in PLANS}) == len(PLANS)
    with pytest.raises(SystemExit, match="no plan nonsense"):
        chosen(["basic", "nonsense"])


def test_only_passed_reviewed_and_explained_modules_are_accepted() -> None:
    results = ("PASSED", "REVIEW", "SKIPPED", "WARNING", "FAILED", "INTERRUPTED", "TIMEOUT")
    outcomes = [Outcome("basic", f"module-{result.lower()}", "code", result) for result in results]
    reasons = {"module-skipped SKIPPED": "not offered", "module-failed FAILED": "never an excuse"}
    left = [outcome.result for outcome in unexplained(outcomes, reasons)]
    assert left == ["WARNING", "FAILED", "INTERRUPTED", "TIMEOUT"]


def test_results_are_kept_by_plan_and_told_with_what_the_suite_found(tmp_path: Path) -> None:
    log = [
        {"result": "WARNING", "src": "Check", "msg": "not quite"},
        {"result": "SUCCESS", "src": "Check", "msg": "fine"},
    ]
    results = Results(tmp_path / "kept.json", suite="1.2.3")
    results.put("basic", "2026-01-02", [Outcome("basic", "one", "code", "WARNING", findings(log))])
    results.put(
        "config", "2026-01-03", [Outcome("config", "two", "", "PASSED"), Outcome("config", "three", "", "FAILED")]
    )
    told = page(Results.read(tmp_path / "kept.json"))
    assert "release 1.2.3" in told
    assert "| basic | 2026-01-02 | 1 | 0 | 0 | 0 | 1 | 0 |" in told
    assert "| config | 2026-01-03 | 2 | 1 | 0 | 0 | 0 | 1 |" in told
    assert "- **one** WARNING: WARNING Check: not quite" in told
    assert told.index("| config |") < told.index("| basic |")


def test_a_module_run_with_several_response_types_is_one_row(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept.json", suite="1.2.3")
    runs = [("one", "id_token", "PASSED"), ("one", "id_token token", "REVIEW"), ("two", "id_token token", "PASSED")]
    results.put("implicit", "2026-01-02", [Outcome("implicit", *run) for run in runs])
    told = page(results)
    assert "| module | id_token | id_token token |\n|---|---|---|" in told
    assert "| one | PASSED | REVIEW |" in told
    assert "| two |  | PASSED |" in told
