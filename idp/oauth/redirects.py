"""Redirect URIs: which may be registered, and which of a request matches a registered one (RFC 9700 §2.1, RFC 8252 §7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from idp.settings import is_loopback

MAX_LENGTH = 2048
MAX_PORT = 65535
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")
_LOOPBACK_LITERAL = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(?=[/?]|\Z)")


def fault(uri: object, application_type: str) -> str | None:
    """Why this URI may not be registered, or None when it may."""
    if not isinstance(uri, str) or not _PRINTABLE.match(uri) or len(uri) > MAX_LENGTH:
        return "must be a printable ASCII URI of at most 2048 characters"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URI"
    if parts.fragment or "#" in uri:
        return "must not have a fragment"
    if any(character in uri for character in '*\\"<>'):
        return "must not have wildcards, quotes or backslashes"
    if parts.username is not None:
        return "must not name a user"
    return _scheme_fault(parts.scheme, host, application_type)


def _scheme_fault(scheme: str, host: str | None, application_type: str) -> str | None:
    if scheme in {"http", "https"}:
        if not host:
            return "must name a host"
        if scheme == "http" and not is_loopback(host):
            return "must be https; http is for loopback only"
        return None
    if application_type == "native" and _PRIVATE_SCHEME.match(scheme):
        return None
    return "must be https, http on loopback, or for native apps a private scheme with a dot (RFC 8252 7.1)"


def matches(uri: str, registered: Iterable[str], application_type: str) -> bool:
    """Exact string comparison; a native app's loopback literal may come with any port (RFC 8252 §7.3)."""
    candidates = tuple(registered)
    if uri in candidates:
        return True
    if application_type != "native":
        return False
    portless = _without_loopback_port(uri)
    return portless is not None and portless in {_without_loopback_port(one) for one in candidates}


def _without_loopback_port(uri: str) -> str | None:
    match = _LOOPBACK_LITERAL.match(uri)
    if match is None or int(match.group(2) or 0) > MAX_PORT:
        return None
    return f"http://{match.group(1)}{uri[match.end() :]}"


def is_unproven(uri: str) -> bool:
    """Whether any program on the person's machine could receive this redirect (RFC 8252 §8.6)."""
    parts = urlsplit(uri)
    return parts.scheme != "https" and (parts.scheme != "http" or is_loopback(parts.hostname or ""))


def origin_of(uri: str) -> str | None:
    """The origin of a redirect URI as browsers write it (RFC 6454 §6.2); None for one that has none, or a host no browser would take."""
    parts = urlsplit(uri)
    if parts.scheme not in _DEFAULT_PORTS or parts.hostname is None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not _HOST.fullmatch(host):
        return None
    port = parts.port
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")
