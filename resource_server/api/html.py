"""Pages for people, without script, in the look of the reference: what is served may load nothing from elsewhere."""

from __future__ import annotations

from html import escape

from flask import Response

_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"


def page(title: str, content: str) -> Response:
    """A page; `content` is markup, `title` is text."""
    shown = escape(title)
    response = Response(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/reference/style.css">'
        f"<title>{shown}</title></head><body><main>"
        f"<h1>{shown}</h1>{content}</main></body></html>",
        content_type="text/html; charset=utf-8",
    )
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def table(heading: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    """A table of texts as markup; the first of each row is its heading."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heading)
    body = "".join(_row(row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: tuple[str, ...]) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'
