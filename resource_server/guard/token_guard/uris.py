"""URIs in their normal form, so that two spellings of the same place compare equal (RFC 3986 §6.2.2, §6.2.3; RFC 9449 §4.3)."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SEGMENT = "!$&'()*+,;=:@"
_MAX_LENGTH = 4096


def normalised(uri: str) -> str:
    """An http or https URI without query and fragment, in normal form; raises `ValueError` for anything else."""
    if len(uri) > _MAX_LENGTH or not all("!" <= character <= "~" for character in uri):
        raise ValueError("the URI is too long or has characters that no URI has")
    parts = urlsplit(uri)
    scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise ValueError("not an http or https URI of a host")
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        place = f"{place}:{port}"
    return f"{scheme}://{place}{_path(parts.path)}"


def _path(path: str) -> str:
    """One way to write each octet, no dot segments (RFC 3986 §5.2.4), and at least a slash."""
    kept: list[str] = []
    segments = [quote(unquote_to_bytes(segment), safe=_SEGMENT) for segment in path.split("/")[1:]]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    ends_in_dots = bool(segments) and segments[-1] in (".", "..")
    return "/" + "/".join(kept) + ("/" if ends_in_dots and kept else "")
