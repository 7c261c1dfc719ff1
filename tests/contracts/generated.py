"""The documents as the code makes them, and the operations they are made of; no server is started."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from resource_server.api.openapi.document import document
from resource_server.api.openapi.serving import VERSIONS, described
from resource_server.api.operation import Operation
from resource_server.app import build
from resource_server.settings import SERVICES, Settings

FROZEN = Path(__file__).with_name("frozen")
CONTRACTS = [(service, version) for service in SERVICES for version in VERSIONS]


@cache
def operations() -> Mapping[str, tuple[Operation, ...]]:
    """Every operation of every service, as it is declared."""
    with tempfile.TemporaryDirectory() as folder:
        process = build(Settings(data_dir=Path(folder)))
        process.close()
    return {service.name: service.operations for service in process.services}


@cache
def generated() -> Mapping[tuple[str, str], dict[str, Any]]:
    """The document of each service and version, and under no name that of all."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        process = build(settings)
        process.close()
    found = described(settings, process.services)
    return {(name, version): document(one, version) for name, one in found.items() for version in VERSIONS}
