"""How one deployment looks: its logo, its own variables, and shades of its accent colour for light and dark pages that everybody can read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from idp.errors import Refused
from idp.platform import palette, pictures
from idp.platform.colours import BLACK, WHITE, Colour, readable
from idp.platform.palette import Palette, Values

_DEFAULT = re.compile(r"--([a-z-]+): ([^;]+);")
_DARK = "@media (prefers-color-scheme: dark)"
SHEET, LOGO = "theme.css", "logo"
MAX_LOGO = 256 * 1024
_HOVER = 0.2


@dataclass(frozen=True, slots=True)
class Made:
    """A static file that is made from settings."""

    body: bytes
    media_type: str


def made(style: Path, *, accent: str | None, theme_file: Path | None, logo_file: Path | None) -> dict[str, Made]:
    """The static files of a deployment's own look, by name; `style` has the default of every variable.

    Raises `Refused` for a logo that is none, and for a file of variables that holds anything else or what nobody could read.
    """
    found = {}
    if accent is not None or theme_file is not None:
        own = Palette() if theme_file is None else palette.load(theme_file)
        text = sheet(style.read_text("utf-8"), own, None if accent is None else Colour.read(accent))
        found[SHEET] = Made(text.encode(), "text/css; charset=utf-8")
    if logo_file is not None:
        found[LOGO] = _logo(logo_file)
    return found


def sheet(style: str, own: Palette, accent: Colour | None) -> str:
    """The variables of `style.css` that a deployment sets, and those that follow from its accent colour where it does not set them itself."""
    light, dark = _defaults(style)
    light, dark = {**light, **own.light}, {**dark, **own.light, **own.dark}
    bright, dim = own.light, {**own.light, **own.dark}
    if accent is not None:
        bright = {**_shades(accent, light, BLACK, WHITE), **bright}
        dim = {**_shades(accent, dark, WHITE, Colour.read(dark["ground"])), **dim}
    palette.check(own, {**light, **bright}, {**dark, **dim})
    return f":root {{ {_written(bright)} }}\n{_DARK} {{ :root {{ {_written(dim)} }} }}\n"


def _defaults(style: str) -> tuple[Values, Values]:
    """Those of light pages and those of dark ones."""
    light, _, rest = style.partition(_DARK)
    found = dict(_DEFAULT.findall(light))
    return found, {**found, **dict(_DEFAULT.findall(rest))}


def _shades(accent: Colour, behind: Values, towards: Colour, on: Colour) -> Values:
    shade = readable(accent, (Colour.read(behind[name]) for name in ("surface", "ground")), towards)
    return {"accent": str(shade), "accent-strong": str(shade.mixed(towards, _HOVER)), "on-accent": str(on)}


def _written(values: Values) -> str:
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def _logo(file: Path) -> Made:
    try:
        body = file.read_bytes()
    except OSError as error:
        raise Refused("logo_file", f"IDP_LOGO_FILE: {file} cannot be read") from error
    kind = pictures.media_type(body) or ("image/svg+xml" if pictures.is_drawing(body) else None)
    if kind is None or len(body) > MAX_LOGO:
        raise Refused("logo_file", "IDP_LOGO_FILE must be an SVG, PNG, WebP, JPEG or GIF of at most 256 kB")
    return Made(body, kind)
