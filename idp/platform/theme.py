"""How one deployment looks: its logo, and shades of its accent colour for light and dark pages that everybody can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idp.errors import Refused
from idp.platform import pictures
from idp.platform.colours import BLACK, WHITE, Colour, readable

LIGHT_GROUNDS = ("#ffffff", "#f4f5f7")
DARK_GROUNDS = ("#181c23", "#0f1217")
"""What stands behind text in `style.css`."""
SHEET, LOGO = "theme.css", "logo"
MAX_LOGO = 256 * 1024
_HOVER = 0.2


@dataclass(frozen=True, slots=True)
class Made:
    """A static file that is made from settings."""

    body: bytes
    media_type: str


def made(accent: str | None, logo_file: Path | None) -> dict[str, Made]:
    """The static files of a deployment's own look, by name; raises `Refused` for a logo that is none."""
    found = {}
    if accent is not None:
        found[SHEET] = Made(sheet(Colour.read(accent)).encode(), "text/css; charset=utf-8")
    if logo_file is not None:
        found[LOGO] = _logo(logo_file)
    return found


def sheet(accent: Colour) -> str:
    """The variables of `style.css` that follow from an accent colour."""
    light = readable(accent, map(Colour.read, LIGHT_GROUNDS), BLACK)
    dark = readable(accent, map(Colour.read, DARK_GROUNDS), WHITE)
    bright = _variables(light, light.mixed(BLACK, _HOVER), WHITE)
    dim = _variables(dark, dark.mixed(WHITE, _HOVER), Colour.read(DARK_GROUNDS[1]))
    return f":root {{ {bright} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dim} }} }}\n"


def _variables(accent: Colour, strong: Colour, on: Colour) -> str:
    return f"--accent: {accent}; --accent-strong: {strong}; --on-accent: {on};"


def _logo(file: Path) -> Made:
    try:
        body = file.read_bytes()
    except OSError as error:
        raise Refused("logo_file", f"IDP_LOGO_FILE: {file} cannot be read") from error
    kind = pictures.media_type(body) or ("image/svg+xml" if pictures.is_drawing(body) else None)
    if kind is None or len(body) > MAX_LOGO:
        raise Refused("logo_file", "IDP_LOGO_FILE must be an SVG, PNG, WebP, JPEG or GIF of at most 256 kB")
    return Made(body, kind)
