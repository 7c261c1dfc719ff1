"""Ids as the APIs show them; they are made where everything stands on them."""

from resource_server.platform.ids import new_id

__all__ = ["new_id"]
