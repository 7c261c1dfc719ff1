"""The deployment's own look: whatever the accent, text can be read; a logo is a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from idp.platform import theme
from idp.platform.colours import READABLE, Colour, contrast
from tests.support.running import CliError, RunningIdp

STYLE = Path(theme.__file__).parents[1] / "static" / "style.css"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8ffffff7f0009fb03fd052545390000000049454e44ae426082"
)
PARTS = st.integers(0, 255)


def shades(sheet: str) -> list[dict[str, Colour]]:
    """The variables for light pages, and those for dark ones."""
    light, _, dark = sheet.partition("@media")
    return [
        {name: Colour.read(text) for name, text in re.findall(r"--([\w-]+): (#\w{6})", part)} for part in (light, dark)
    ]


@given(st.builds(Colour, PARTS, PARTS, PARTS))
def test_every_accent_becomes_shades_that_can_be_read(accent: Colour) -> None:
    for found, grounds in zip(shades(theme.sheet(accent)), (theme.LIGHT_GROUNDS, theme.DARK_GROUNDS), strict=True):
        for ground in grounds:
            assert contrast(found["accent"], Colour.read(ground)) >= READABLE
        assert contrast(found["on-accent"], found["accent"]) >= READABLE
        assert contrast(found["on-accent"], found["accent-strong"]) >= READABLE


def test_an_accent_that_can_be_read_stays_as_it_is() -> None:
    light, dark = shades(theme.sheet(Colour.read("#2456c9")))
    assert str(light["accent"]) == "#2456c9"
    assert str(dark["accent"]) != "#2456c9"


def test_the_grounds_are_those_of_the_stylesheet() -> None:
    light, _, dark = STYLE.read_text("utf-8").partition("@media (prefers-color-scheme: dark)")
    for text, grounds in ((light, theme.LIGHT_GROUNDS), (dark, theme.DARK_GROUNDS)):
        found = re.findall(r"--(?:surface|ground): (#\w{6});", text)
        assert set(found) == set(grounds)


@pytest.fixture(scope="module")
def branded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    folder = tmp_path_factory.mktemp("branded")
    (folder / "logo.png").write_bytes(PIXEL)
    with RunningIdp(folder, name="Acme & Söhne", accent="#FFD400", logo_file=str(folder / "logo.png")) as idp:
        yield idp


def test_pages_show_name_logo_and_accent(branded: RunningIdp) -> None:
    page = requests.get(f"{branded.url}/login", timeout=30)
    assert "Acme &amp; Söhne" in page.text
    logo = re.search(r'<img class="brand-logo" src="(/static/logo\?v=\w{12})" alt="">', page.text)
    sheet = re.search(r'<link rel="stylesheet" href="(/static/theme\.css\?v=\w{12})">', page.text)
    assert logo and sheet
    picture = requests.get(branded.url + logo[1], timeout=30)
    assert (picture.content, picture.headers["Content-Type"]) == (PIXEL, "image/png")
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert "max-age=31536000" in picture.headers["Cache-Control"]
    style = requests.get(branded.url + sheet[1], timeout=30)
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.headers["X-Content-Type-Options"] == "nosniff"
    assert "--accent:" in style.text


def test_pages_without_a_look_of_their_own_load_one_sheet(idp: RunningIdp) -> None:
    page = requests.get(f"{idp.url}/login", timeout=30).text
    assert page.count("stylesheet") == 1
    assert requests.get(f"{idp.url}/static/theme.css", timeout=30).status_code == 404
    assert requests.get(f"{idp.url}/static/../settings.py", timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("setting", "value"),
    [("accent", "yellow"), ("accent", "#fff"), ("accent", "#12345g"), ("accent", "red;}body{display:none")],
)
def test_an_accent_is_a_colour(branded: RunningIdp, setting: str, value: str) -> None:
    with pytest.raises(CliError, match="IDP_ACCENT"):
        RunningIdp(branded.folder / "other", accent=value).cli("init")


def test_a_logo_is_a_picture(branded: RunningIdp, tmp_path: Path) -> None:
    for name, body in {"none": None, "text": b"hello", "large": PIXEL + b"\0" * theme.MAX_LOGO}.items():
        file = tmp_path / name
        if body is not None:
            file.write_bytes(body)
        with pytest.raises(AssertionError, match="IDP_LOGO_FILE"):
            branded.node(logo_file=str(file))


def test_a_drawing_may_be_the_logo(branded: RunningIdp, tmp_path: Path) -> None:
    file = tmp_path / "logo.svg"
    file.write_text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    base = branded.node(logo_file=str(file))
    picture = requests.get(f"{base}/static/logo", timeout=30)
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert "script-src" not in picture.headers["Content-Security-Policy"]
