"""Looks at a page as people see it, light and dark, on a phone and on a desk: axe-core finds nothing, pictures are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser import audit

SIZES = {"phone": (375, 720), "desk": (1280, 860)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
VIOLATIONS = """options => axe.run({resultTypes: ['violations'], iframes: false, ...options})
  .then(results => results.violations)"""
"""In place of all that axe-core tells, which takes as long to bring here as to find; it cannot look into frames of other origins."""
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules to which it matters whether a page is light or dark."""
FAULTS = ("unlabelled", "unnamed", "dangling", "repeated", "small", "pale")


class Looker:
    """Keeps pictures in a folder, and the names of the templates whose pages it saw."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._axe = Axe()
        self.seen: set[str] = set()

    def __call__(self, page: Page, name: str, *, language: str = "en") -> None:
        """Every fault of the page in view; `name` is that of its pictures."""
        page.wait_for_load_state()  # the stylesheet too
        template = page.evaluate("() => document.body.dataset.page")
        self.seen |= {template} if template else set()
        for size, (across, down) in SIZES.items():
            page.set_viewport_size({"width": across, "height": down})
            for theme, rules in zip(THEMES, ({}, COLOURS), strict=True):
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                page.screenshot(path=self._folder / f"{name}-{size}-{theme}.png", full_page=True, caret="initial")
                self._judge(page, f"{name}, {size}, {theme}", language if template else None, rules)

    def _judge(self, page: Page, where: str, language: str | None, rules: Mapping[str, Any]) -> None:
        found = audit.facts(page)
        assert found["title"], where
        assert found["viewport"], where
        assert (found["headings"], found["mains"]) == (1, 1), where
        assert found["wide"] <= 0, f"{where} scrolls sideways"
        for fault in FAULTS:
            assert found[fault] == [], f"{where}: {fault}"
        if language is not None:
            assert found["language"] == language, where
            assert found["styled"], where
        assert self._violations(page, rules) == [], where

    def _violations(self, page: Page, rules: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What axe-core finds, of every rule it has or of these."""
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(self._axe.axe_script)
        found = page.evaluate(VIOLATIONS, rules)
        return [{"rule": one["id"], "where": [node["html"] for node in one["nodes"]]} for one in found]
