"""Static files, those of the deployment's own look among them."""

from __future__ import annotations

from pathlib import Path

from idp.platform import theme
from idp.platform.statics import Statics
from idp.settings import Settings

_FOLDER = Path(__file__).parents[1] / "static"


def statics_of(settings: Settings) -> Statics:
    """Below the issuer's path; raises `Refused` for a look that cannot be."""
    look = theme.made(
        _FOLDER / "style.css", accent=settings.accent, theme_file=settings.theme_file, logo_file=settings.logo_file
    )
    return Statics(_FOLDER, look, f"{settings.issuer_path}/static")
