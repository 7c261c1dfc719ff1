"""Static files: those of the package and those made from settings, under URLs that change with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from flask import Response, send_from_directory

from idp.platform.theme import Made

_YEAR = 31536000


class Statics:
    """The files of a folder, and others; `base` is where they stand."""

    def __init__(self, folder: Path, others: Mapping[str, Made], base: str) -> None:
        self._folder = folder
        self._others = others
        self._base = base
        files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        bodies = files | {name: other.body for name, other in others.items()}
        self._prints = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in bodies.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._prints

    def url(self, name: str) -> str:
        """The URL of a file, with its content's fingerprint."""
        return f"{self._base}/{name}?v={self._prints[name]}"

    def serve(self, name: str) -> Response:
        """The file, to be kept for a year; in a sandbox, should somebody look at it by itself."""
        if (other := self._others.get(name)) is not None:
            response = Response(other.body, content_type=other.media_type)
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}"
            response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        else:
            response = send_from_directory(self._folder, name, max_age=_YEAR)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
