"""The machine's Chromium: plays the person where the suite's own browser cannot, and takes pictures of pages."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_STEPS = 6
_WAIT_MS = 15_000


class Chromium:
    """One browser; each module gets a profile of its own."""

    def __init__(self, person: Mapping[str, Any]) -> None:
        self._person = person
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        playwright = self._closing.enter_context(sync_playwright())
        self._executable = next(filter(None, map(shutil.which, _NAMES)), None)
        self._browser = playwright.chromium.launch(executable_path=self._executable, args=_ARGUMENTS)
        self._closing.callback(self._browser.close)
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    @contextmanager
    def profile(self) -> Iterator[BrowserContext]:
        """A new profile whose owner lets frames of other sites have cookies, as session management needs."""
        with tempfile.TemporaryDirectory() as folder:
            preferences = Path(folder, "Default", "Preferences")
            preferences.parent.mkdir()
            choice = {"cookie_controls_mode": 0, "block_third_party_cookies": False}
            preferences.write_text(json.dumps({"profile": choice}), "utf-8")
            context = self._browser.browser_type.launch_persistent_context(
                folder, executable_path=self._executable, args=_ARGUMENTS, ignore_https_errors=True
            )
            with context:
                context.set_default_timeout(_WAIT_MS)
                yield context

    def visit(self, profile: BrowserContext, url: str) -> None:
        """Open a URL in a tab of its own and do what our pages ask for; the tab stays open, its frames alive."""
        page = profile.new_page()
        page.goto(url)
        for _ in range(_STEPS):
            if not self._act(page):
                return
            page.wait_for_load_state()

    def _act(self, page: Page) -> bool:
        """Fill in the form that the page shows; False when there is none of ours."""
        if page.locator("form#login").count():
            page.fill("#username", self._person["username"])
            page.fill("#password", self._person["password"])
            page.click("#login-submit")
        elif page.locator("#consent-allow").count():
            page.click("#consent-allow")
        elif page.locator("#logout-confirm").count():
            page.click("#logout-confirm")
        else:
            return False
        return True

    def look(self, profile: BrowserContext, url: str, shows: str) -> str | None:
        """A picture of the page that a URL leads to, as a data URL of a PNG; None when it does not show that element."""
        page = profile.new_page()
        page.goto(url)
        try:
            page.locator(shows).wait_for()
        except PlaywrightTimeout:
            return None
        return _png(page)

    def picture(self, html: str, base: str) -> str:
        """What a page that lived at `base` looks like, as a data URL of a PNG."""
        viewport = ViewportSize(width=900, height=900)
        with self._browser.new_page(ignore_https_errors=True, viewport=viewport) as page:
            page.set_content(html.replace("<head>", f'<head><base href="{escape(base)}/">', 1))
            return _png(page)


def _png(page: Page) -> str:
    return "data:image/png;base64," + base64.b64encode(page.screenshot()).decode("ascii")
