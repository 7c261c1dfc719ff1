"""Which addresses belong to whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from idp.settings import Network


def is_among(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
