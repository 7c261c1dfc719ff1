"""Who comes: the address and the browser of a request, and how people read them."""

from __future__ import annotations

import ipaddress
import re

from flask import Request

from idp.platform.i18n import gettext
from idp.users.people import Visitor

MAX_AGENT = 256
_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\b(?:OPR|Opera)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Vivaldi", r"\bVivaldi/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Chrome|CriOS|HeadlessChrome|Chromium)/"),
    ("Safari", r"\bVersion/[\d.]+.*\bSafari/"),
)
"""In this order: most browsers also name those they descend from."""
_SYSTEMS = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b|\bMacintosh\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)


def visitor_of(incoming: Request) -> Visitor:
    """Who sent this request; what is not printable ASCII in a User-Agent is left out, and so is what is too long."""
    agent = incoming.headers.get("User-Agent", "")[: 4 * MAX_AGENT]
    plain = "".join(char for char in agent if " " <= char <= "~")[:MAX_AGENT]
    return Visitor(incoming.environ.get("idp.peer", "")[:64], plain.strip())


def device(agent: str) -> str:
    """A browser and its system in words: Firefox on Linux."""
    browser, system = _first(_BROWSERS, agent), _first(_SYSTEMS, agent)
    if browser and system:
        return gettext("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or (gettext("A browser on %(system)s", system=system) if system else gettext("An unknown browser"))


def masked(peer: str) -> str:
    """An address without the part that says which machine it is: the last quarter, or all but the network of an IPv6 one."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return f"{ipaddress.ip_network((address, 48), strict=False).network_address}…"
    plain = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else address
    return str(plain).rpartition(".")[0] + ".…"


def _first(patterns: tuple[tuple[str, str], ...], agent: str) -> str | None:
    return next((name for name, pattern in patterns if re.search(pattern, agent)), None)
