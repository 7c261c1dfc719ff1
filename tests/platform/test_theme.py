"""The deployment's own look: whatever the accent, text can be read; a logo is a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import Refused
from idp.platform import palette, theme
from idp.platform.colours import READABLE, Colour, contrast
from idp.platform.palette import Palette
from tests.support.running import CliError, RunningIdp

STYLE = Path(theme.__file__).parents[1] / "static" / "style.css"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8ffffff7f0009fb03fd052545390000000049454e44ae426082"
)
PARTS = st.integers(0, 255)
SHEET = STYLE.read_text("utf-8")
GROUNDS = [
    [Colour.read(text) for text in re.findall(r"--(?:surface|ground): (#\w{6});", part)]
    for part in SHEET.split("@media (prefers-color-scheme: dark)", 1)
]
"""What stands behind text: on light pages and on dark ones."""
OWN = """/* Ours,
   for all pages */
:root { --surface: #FFF; --ground: #faf7f0; --radius: 4px }

@media (prefers-color-scheme:dark) {
  :root { --surface: #14201b; --ground: #0b1410; }
  :root { --space: 1.25rem; }
}
"""


def shades(sheet: str) -> list[dict[str, Colour]]:
    """The variables for light pages, and those for dark ones."""
    light, _, dark = sheet.partition("@media")
    return [
        {name: Colour.read(text) for name, text in re.findall(r"--([\w-]+): (#\w{6})", part)} for part in (light, dark)
    ]


@given(st.builds(Colour, PARTS, PARTS, PARTS))
def test_every_accent_becomes_shades_that_can_be_read(accent: Colour) -> None:
    for found, grounds in zip(shades(theme.sheet(SHEET, Palette(), accent)), GROUNDS, strict=True):
        for ground in grounds:
            assert contrast(found["accent"], ground) >= READABLE
        assert contrast(found["on-accent"], found["accent"]) >= READABLE
        assert contrast(found["on-accent"], found["accent-strong"]) >= READABLE


def test_an_accent_that_can_be_read_stays_as_it_is() -> None:
    light, dark = shades(theme.sheet(SHEET, Palette(), Colour.read("#2456c9")))
    assert str(light["accent"]) == "#2456c9"
    assert str(dark["accent"]) != "#2456c9"


def test_every_variable_of_the_stylesheet_may_be_set_and_each_is_documented() -> None:
    assert set(re.findall(r"^\s+--([a-z-]+):", SHEET, re.MULTILINE)) == set(palette.VARIABLES)
    told = (STYLE.parents[2] / "docs" / "people.md").read_text("utf-8")
    for name in palette.VARIABLES:
        assert f"`--{name}`" in told, name


def test_a_look_of_nothing_can_be_read() -> None:
    """The defaults keep what is asked of others: setting them again is no fault."""
    light, dark = ("".join(re.findall(r"--[a-z-]+: [^;]+;", part)) for part in SHEET.split("@media", 1))
    again = f":root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    assert theme.sheet(SHEET, palette.read(again), None)


def test_variables_are_written_anew_and_win_over_the_defaults_as_in_any_sheet() -> None:
    light, _, dark = theme.sheet(SHEET, palette.read(OWN), None).partition("@media")
    assert light == ":root { --surface: #ffffff; --ground: #faf7f0; --radius: 4px; }\n"
    for told in ("--surface: #14201b;", "--ground: #0b1410;", "--radius: 4px;", "--space: 1.25rem;"):
        assert told in dark


def test_the_shades_of_an_accent_can_be_read_on_grounds_of_ones_own() -> None:
    bright, dim = shades(theme.sheet(SHEET, palette.read(OWN), Colour.read("#ffd400")))
    assert contrast(bright["accent"], Colour.read("#faf7f0")) >= READABLE
    assert contrast(dim["accent"], Colour.read("#0b1410")) >= READABLE
    own = palette.read(":root { --accent: #7a1fa2; --on-accent: #fff; --accent-strong: #5e1580 }")
    with pytest.raises(Refused, match=r"line 1: --accent on --ground .* on dark pages"):
        theme.sheet(SHEET, own, Colour.read("#ffd400"))


FAULTS = {
    "@import 'x.css';": 1,
    "body { color: red }": 1,
    ":root {\n --ground: url(https://evil.test/x);\n}": 2,
    ":root {\n --ground: red;\n}": 2,
    ":root {\n --ground: #12345;\n}": 2,
    ":root {\n --ground: var(--text);\n}": 2,
    ":root {\n\n --colour: #fff;\n}": 3,
    ":root {\n --radius: calc(1px + 1px);\n}": 2,
    ":root {\n --radius: 4;\n}": 2,
    ":root {\n --space: -1rem;\n}": 2,
    ":root {\n color: #fff;\n}": 2,
    ":root {\n --ground: #fff; @import 'x';\n}": 2,
    ":root { --ground: #fff\n": 1,
    ":root:hover { --ground: #fff }": 1,
    "/* one\n two */ html { --ground: #fff }": 2,
    ":root { } /* never closed": 1,
    ":root { } }": 1,
    "@media (prefers-color-scheme: light) {\n :root { } }": 1,
    "@media (prefers-color-scheme: dark) {\n p { } }": 2,
    "@media (prefers-color-scheme: dark) {\n :root { }": 2,
    ":root {\n --text: #777;\n}": 2,
    ":root {\n --space: 1rem;\n --surface: #fff;\n}": 3,
}


@pytest.mark.parametrize(("text", "line"), FAULTS.items())
def test_what_may_not_stand_in_a_look_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(Refused, match=f"IDP_THEME_FILE, line {line}: "):
        theme.sheet(SHEET, palette.read(text), None)


PIECES = st.sampled_from(
    (
        ":root",
        "{",
        "}",
        "--text",
        "--ground",
        ":",
        ";",
        "#fff",
        "#000",
        "@media (prefers-color-scheme: dark)",
        "/*",
        "*/",
        "\n",
        "url(x)",
        "\\",
    )
)


@given(st.lists(PIECES | st.text(max_size=3)).map(" ".join))
def test_no_text_makes_anything_but_a_fault_or_variables(text: str) -> None:
    try:
        written = theme.sheet(SHEET, palette.read(text), None)
    except Refused as error:
        assert "line" in str(error)
    else:
        assert re.fullmatch(r"[a-z0-9#.:;(){}@\s-]*", written)


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


def test_pages_show_the_variables_of_a_file(branded: RunningIdp, tmp_path: Path) -> None:
    file = tmp_path / "own.css"
    file.write_text(OWN)
    base = branded.node(theme_file=str(file))
    page = requests.get(f"{base}/login", timeout=30)
    assert page.text.count('rel="stylesheet"') == 2
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    style = requests.get(f"{base}/static/theme.css", timeout=30)
    assert "--ground: #faf7f0;" in style.text
    assert "--accent:" in style.text, "beside the accent of the setting"
    (url,) = re.findall(r'href="(/static/theme\.css\?v=\w{12})"', page.text)
    assert url not in requests.get(f"{branded.url}/login", timeout=30).text, "another look has another URL"


def test_a_file_that_is_none_stops_the_start(branded: RunningIdp, tmp_path: Path) -> None:
    bodies = {"none": None, "binary": b"\xff\xfe", "large": b" " * (palette.MAX_FILE + 1), "rule": b"p {}"}
    for name, body in bodies.items():
        file = tmp_path / name
        if body is not None:
            file.write_bytes(body)
        with pytest.raises(AssertionError, match="IDP_THEME_FILE"):
            branded.node(theme_file=str(file))


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
