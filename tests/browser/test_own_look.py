"""A deployment's own variables: the sample of the documentation, seen in a browser and judged like every other look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.test_login_with import log_in
from tests.support.running import RunningIdp

GUIDE = Path(__file__).parents[2] / "docs" / "people.md"


@pytest.fixture(scope="module")
def themed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    folder = tmp_path_factory.mktemp("themed")
    (sample,) = re.findall(r"```css\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (folder / "own.css").write_text(sample)
    with RunningIdp(folder, host="localhost", name="Baker & Sons", theme_file=str(folder / "own.css")) as idp:
        idp.user("ada", "--email-verified")
        yield idp


def test_pages_have_the_look_of_the_file_and_can_be_read(visit: Visit, themed: RunningIdp, look: Looker) -> None:
    page = visit(color_scheme="light")
    page.goto(f"{themed.url}/account/security")
    button = page.locator("#login-submit")
    expect(button).to_have_css("background-color", "rgb(122, 59, 30)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(250, 246, 239)")
    look(page, "own-look-login")
    page.emulate_media(color_scheme="dark")
    expect(button).to_have_css("background-color", "rgb(240, 180, 140)")
    log_in(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("Security")
    look(page, "own-look-security")
