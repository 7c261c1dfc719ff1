"""Which nodes there are, and the settings they share and have alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cluster.node import Plan

SERVICES = ("users", "orders", "payments")
_BIN = Path(sys.executable).parent


def idp_plans(count: int, environ: Mapping[str, str], folder: Path, ports: Callable[[], int]) -> Iterator[Plan]:
    """Nodes of the identity provider: they share the database and the master key, and have a folder each to show that nothing lies there."""
    for number in range(1, count + 1):
        name, port = f"idp-{number}", ports()
        own = {**environ, "IDP_DATA_DIR": str(folder / name), "IDP_TRUSTED_PROXIES": "127.0.0.1/32"}
        yield Plan(name, "idp", port, (str(_BIN / "idp"), "serve", "--port", str(port), "--workers", "1"), own)


def service_plans(count: int, environ: Mapping[str, str], folder: Path, ports: Callable[[], int]) -> Iterator[Plan]:
    """Nodes of each service alone: those of one share a database and RS_SECRET. They ask each other at the APIs' own address, behind nginx."""
    edges = dict.fromkeys(("RS_USERS_URL", "RS_PAYMENTS_URL", "RS_ORDERS_URL"), environ["RS_AUDIENCE"])
    for service in SERVICES:
        for number in range(1, count + 1):
            name, port = f"{service}-{number}", ports()
            own = {**environ, **edges, "RS_DATA_DIR": str(folder / name)}
            command = (str(_BIN / "resource-server"), "serve", "--service", service, "--port", str(port))
            yield Plan(name, service, port, command, own)
