"""The services beside their identity provider, as elsewhere."""

from tests.resource_server.conftest import apis

__all__ = ["apis"]
