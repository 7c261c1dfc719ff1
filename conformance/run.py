"""Runs the modules of a plan one after another: rotates keys, visits and takes pictures where a module waits for that."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext

from conformance.chromium import Chromium
from conformance.configuration import configuration, looks
from conformance.plans import Plan
from conformance.provider import Provider
from conformance.results import Outcome, findings
from conformance.suite import CreatedPlan, Suite

_MODULE_TIMEOUT = 300
_POLL = 0.3
_ENDED = ("FINISHED", "INTERRUPTED")
_ROTATES_KEYS = "oidcc-server-rotate-keys"


@dataclass(frozen=True, slots=True)
class Runner:
    """A suite, the provider it examines, and the browser for what the suite's own cannot do."""

    suite: Suite
    provider: Provider
    chromium: Chromium

    def run(self, plan: Plan, only: list[str]) -> list[Outcome]:
        """All modules of a plan, or those whose names are given; prints a line for each."""
        document = configuration(
            plan, issuer=self.provider.issuer, person=self.provider.person, clients=self.provider.clients
        )
        created = self.suite.create_plan(plan.suite_name, plan.variant, document)
        print(f"{plan.name}: {self.suite.url}/plan-detail.html?plan={created.id}", flush=True)
        return [
            self._module(plan, created, module)
            for module in created.modules
            if not only or module["testModule"] in only
        ]

    def _module(self, plan: Plan, created: CreatedPlan, module: Mapping[str, Any]) -> Outcome:
        started = time.monotonic()
        run = self.suite.create_module(created, module)
        status = self._drive(plan, module["testModule"], run)
        log = self.suite.log(run)
        result = str(self.suite.info(run).get("result", "")) if status == "FINISHED" else status
        if result == "REVIEW":
            self._add_pictures(run, log)
        outcome = Outcome(
            plan.name,
            module["testModule"],
            _distinction(module.get("variant") or {}),
            result,
            findings(log),
            round(time.monotonic() - started, 1),
        )
        self._tell(outcome, run)
        return outcome

    def _drive(self, plan: Plan, name: str, run: str) -> str:
        """Wait for the end of a module, doing what it waits for; returns its last status."""
        deadline = time.monotonic() + _MODULE_TIMEOUT
        rotated = False
        look = looks().get(name)
        with self.chromium.profile() if look or plan.browser == "chromium" else nullcontext() as profile:
            while time.monotonic() < deadline:
                status = str(self.suite.info(run)["status"])
                if status in _ENDED:
                    return status
                if status == "CONFIGURED" and name == _ROTATES_KEYS and not rotated:
                    rotated = True
                    self.provider.rotate_keys()
                    self.suite.start(run)
                if profile is not None:
                    self._visit(profile, run, look)
                time.sleep(_POLL)
        self.suite.cancel(run)
        return "TIMEOUT"

    def _visit(self, profile: BrowserContext, run: str, look: str | None) -> None:
        for url in self.suite.urls_to_visit(run):
            self.suite.visited(run, url)
            if look is None:
                self.chromium.visit(profile, url)
            elif picture := self.chromium.look(profile, url, look):
                self.suite.hand_in(run, picture)
            else:
                print(f"             the page does not show {look}")
                self.suite.cancel(run)

    def _add_pictures(self, run: str, log: list[dict[str, Any]]) -> None:
        """The pages that the suite's browser kept as HTML, as a person would see them."""
        for entry in log:
            if "page_source" in entry:
                picture = self.chromium.picture(entry["page_source"], self.provider.issuer)
                self.suite.add_picture(run, picture, "The page that the scripted browser saw")

    def _tell(self, outcome: Outcome, run: str) -> None:
        name = f"{outcome.module} {outcome.variant}".strip()
        print(f"{outcome.result:12} {name}  {outcome.seconds:.0f} s", flush=True)
        if outcome.result not in {"PASSED", "REVIEW"}:
            for finding in outcome.findings:
                print(f"             {finding}")
            print(f"             {self.suite.link(run)}", flush=True)


def _distinction(variant: Mapping[str, str]) -> str:
    """The response type of a run of a module, which a plan may have in several, and its mode where it is no default."""
    values = [variant.get("response_type", ""), variant.get("response_mode", "")]
    return ", ".join(value for value in values if value not in {"", "default", "plain_response"})
