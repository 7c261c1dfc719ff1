"""A real Chromium, and the sample app it visits."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.browser.looking import Looker
from tests.browser.registry import MODULES
from tests.browser.shop import Shop, open_shop

WHOLE = ("chromium", "chromium-browser", "google-chrome")
WITHOUT_WINDOWS = ("chromium-headless-shell", *WHOLE)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 30_000
expect.set_options(timeout=TIMEOUT_MS)
Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """While it drives a browser no other test of this process can run an event loop."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def whole_chromium(playwright: Playwright) -> Iterator[Browser]:
    """Chromium as people have it, for tests that are marked so."""
    yield from _launched(playwright, WHOLE)


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """The same without what draws its own windows, which is a third of its work; where there is none, the whole."""
    yield from _launched(playwright, WITHOUT_WINDOWS)


def executable(names: Sequence[str]) -> str | None:
    """The machine's own browser; without one Playwright takes the one it installed."""
    return next(filter(None, map(shutil.which, names)), None)


def _launched(playwright: Playwright, names: Sequence[str]) -> Iterator[Browser]:
    try:
        browser = playwright.chromium.launch(executable_path=executable(names), args=ARGUMENTS)
    except Error as error:
        pytest.skip(f"no browser: {error.message.splitlines()[0]}")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture
def visit(request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Opens a page in a browser profile of its own; at the end no page may have complained on the console."""
    is_whole = request.node.get_closest_marker("whole_browser") is not None
    chromium: Browser = request.getfixturevalue("whole_chromium" if is_whole else "chromium")
    complaints: list[str] = []
    with ExitStack() as running:

        def visit(**options: Any) -> Page:
            context = chromium.new_context(**options)
            running.callback(context.close)
            return _watched(context, complaints)

        yield visit
    assert not complaints


@pytest.fixture
def visit_with_cookies_in_frames(playwright: Playwright, tmp_path: Path) -> Iterator[Visit]:
    """As `visit`, in a profile whose owner says whether frames of other sites may have cookies: browsers differ in the default."""
    complaints: list[str] = []
    with ExitStack() as running:

        def visit(allowed: bool = True) -> Page:
            folder = tmp_path / f"profile-{allowed}"
            settings = folder / "Default" / "Preferences"
            settings.parent.mkdir(parents=True)
            choice = {"cookie_controls_mode": 0 if allowed else 1, "block_third_party_cookies": not allowed}
            settings.write_text(json.dumps({"profile": choice}))
            context = playwright.chromium.launch_persistent_context(
                folder, executable_path=executable(WHOLE), args=ARGUMENTS
            )
            running.callback(context.close)
            return _watched(context, complaints)

        yield visit
    assert not complaints


def _watched(context: BrowserContext, complaints: list[str]) -> Page:
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.on("console", lambda message: complaints.extend(_complaint(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def _complaint(message: ConsoleMessage) -> Iterator[str]:
    """Errors and warnings, violations of the content security policy among them; not that a page was refused on purpose."""
    refused = re.match(r"Failed to load resource: the server responded with a status of 40[03]", message.text)
    if message.type in {"error", "warning"} and not refused:
        yield f"{message.type}: {message.text}"


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the pages are kept: the folder that SCREENSHOTS names, else one that git ignores."""
    folder = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "artifacts" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def look(request: pytest.FixtureRequest, screenshots: Path) -> Iterator[Looker]:
    """Looks at pages; when all tests of a module ran, every page that the registry promises of it was seen."""
    looker = Looker(screenshots)
    yield looker
    module = request.node.name.rpartition("/")[2].removesuffix(".py")
    tests = {name for name in vars(request.module) if name.startswith("test_")}
    ran = {item.originalname for item in request.session.items if getattr(item, "module", None) is request.module}
    if tests <= ran and not request.session.testsfailed:
        assert looker.seen >= MODULES.get(module, frozenset())
