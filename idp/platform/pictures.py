"""What kind of picture some bytes are: judged by themselves, whatever anybody says of their type."""

from __future__ import annotations


def media_type(body: bytes) -> str | None:
    """The type of a picture made of pixels; None for anything else."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "image/webp"
    return None


def is_drawing(body: bytes) -> bool:
    """Whether it is an SVG, which is a document: to be served from a sandbox, and only where its author is trusted."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml")) and b"<svg" in body
